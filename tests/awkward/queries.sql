-- name: documents_of_a
-- role: tenant_a
-- set: app.tenant = 'a'
SELECT count(*) FROM docs;

-- name: documents_of_nobody
SELECT count(*) FROM docs;

-- name: never_filled
SELECT * FROM unfilled;

-- name: filled
SELECT * FROM filled WHERE region = 'eu';

-- name: nest
SELECT count(*) FROM nest WHERE region = 'eu' AND at >= '2026-02-01';

-- name: odd
SELECT * FROM "Größe mit Leerzeichen"."Täßle ""x""" WHERE "Id" = 3;

-- name: animals
SELECT * FROM animal WHERE id = 300;

-- name: generated
SELECT b FROM gen WHERE id = 7;
