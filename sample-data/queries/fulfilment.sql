-- Parcels and shelves.

-- name: GetShipmentByTrackingCode :one
-- owner: team-logistics
-- expect: one
-- weight: 260
-- params known: tracking_code = 'PO996336833NL'
SELECT s.id, s.order_id, s.carrier, s.shipped_at, s.delivered_at
FROM shop.shipments s
WHERE s.tracking_code = :tracking_code;

-- name: ListStockMovements :many
-- owner: team-logistics
-- expect: rows
-- weight: 40
-- params best_seller: product_id = 7, warehouse_id = 4
-- params slow_seller: product_id = 9001, warehouse_id = 2
SELECT m.moved_at, m.reason, m.quantity, m.reference
FROM warehouse.stock_movements m
WHERE m.product_id = :product_id
  AND m.warehouse_id = :warehouse_id
ORDER BY m.moved_at DESC
LIMIT 25;

-- name: ListLowStock :many
-- owner: team-logistics
-- expect: rows
-- weight: 6
-- role: shop_reader
-- set: work_mem = 8MB
-- params hamburg: warehouse_id = 3
SELECT w.code, p.sku, p.name, l.on_hand, l.reserved, l.reorder_at
FROM warehouse.stock_levels l
JOIN warehouse.warehouses w ON w.id = l.warehouse_id
JOIN shop.products p ON p.id = l.product_id
WHERE l.warehouse_id = :warehouse_id
  AND l.on_hand - l.reserved < l.reorder_at
  AND p.status = 'active'
ORDER BY l.on_hand - l.reserved, p.sku
LIMIT 100;

-- name: ReserveStock :execrows
-- owner: team-logistics
-- expect: none
-- weight: 190
-- params one_piece: product_id = 7, warehouse_id = 4, quantity = 1
UPDATE warehouse.stock_levels
SET reserved = reserved + :quantity
WHERE product_id = :product_id
  AND warehouse_id = :warehouse_id
  AND on_hand - reserved >= :quantity;
