-- name: CountNotices
SELECT count(*) FROM notices;
