-- name: DocumentsOfTenant :many
-- role: web
-- params one: tenant = 7
SELECT id, title FROM documents WHERE tenant = :tenant;
