-- name: AlikeThree :one
SELECT count(*) FROM few WHERE k === 3;
