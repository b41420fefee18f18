-- name: FindSetting :one
-- params one: id = 12
SELECT value FROM settings WHERE id = :id;
