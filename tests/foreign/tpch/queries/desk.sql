-- name: OrderWithLines :many
-- weight: 1800
-- params some: orderkey = 1000003
SELECT o.o_orderdate, l.l_linenumber, l.l_partkey, l.l_quantity, l.l_extendedprice
FROM orders o JOIN lineitem l ON l.l_orderkey = o.o_orderkey
WHERE o.o_orderkey = :orderkey
ORDER BY l.l_linenumber;

-- name: LatestOrdersOfCustomer :many
-- weight: 1200
-- params some: custkey = 370
SELECT o_orderkey, o_orderdate, o_totalprice, o_orderstatus
FROM orders
WHERE o_custkey = :custkey
ORDER BY o_orderdate DESC
LIMIT 10;

-- name: CustomerByName :one
-- weight: 90
-- params some: name = 'Customer#000000370'
SELECT c_custkey, c_phone, c_acctbal FROM customer WHERE c_name = :name;

-- name: SuppliersOfPart :many
-- weight: 300
-- params some: partkey = 155190
SELECT s.s_suppkey, s.s_name, ps.ps_supplycost, ps.ps_availqty
FROM partsupp ps JOIN supplier s ON s.s_suppkey = ps.ps_suppkey
WHERE ps.ps_partkey = :partkey
ORDER BY ps.ps_supplycost;

-- name: ShippedOn :one
-- weight: 4
-- params day: day = '1995-03-15'
SELECT count(*), sum(l_extendedprice * (1 - l_discount)) FROM lineitem WHERE l_shipdate = :day;
