-- name: UpdateOrder :exec
-- params one: id = 5
UPDATE orders SET note = 'm' WHERE id = :id;

-- name: UpdateItem :exec
-- params one: id = 5
UPDATE items SET qty = 3 WHERE id = :id;
