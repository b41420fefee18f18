-- name: FindBestellung :one
-- params eine: nummer = 12
SELECT "日本" FROM "Größe & Co"."Bestellungen ""2026""" WHERE "select" = :nummer;
