-- name: OrdersOfTheDay :many
-- weight: 12
-- params day: day = '1996-01-02'
SELECT o_orderpriority, count(*), sum(o_totalprice)
FROM orders
WHERE o_orderdate = :day
GROUP BY o_orderpriority
ORDER BY o_orderpriority;

-- name: CustomersOfNation :many
-- weight: 6
-- params france: nation = 6
SELECT c_custkey, c_name, c_acctbal FROM customer WHERE c_nationkey = :nation ORDER BY c_acctbal DESC LIMIT 20;

-- name: WhereIsThePart :many
-- weight: 8
-- params one: partkey = 155190, suppkey = 7706
SELECT l_orderkey, l_linenumber, l_quantity
FROM lineitem
WHERE l_partkey = :partkey AND l_suppkey = :suppkey
ORDER BY l_orderkey
LIMIT 50;

-- name: OpenOrdersOfCustomer :one
-- weight: 40
-- params some: custkey = 370
SELECT count(*), sum(o_totalprice) FROM open_orders WHERE o_custkey = :custkey;

-- name: StockOfSupplier :many
-- weight: 3
-- params some: suppkey = 7706
SELECT p.p_partkey, p.p_name, ps.ps_availqty
FROM partsupp ps JOIN part p ON p.p_partkey = ps.ps_partkey
WHERE ps.ps_suppkey = :suppkey
ORDER BY ps.ps_availqty DESC
LIMIT 20;
