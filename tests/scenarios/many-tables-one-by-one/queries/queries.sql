-- name: FindArticle :one
-- params one: id = 12
SELECT name FROM articles WHERE id = :id;
