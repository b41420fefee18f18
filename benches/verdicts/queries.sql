-- name: OrderById
-- params one: id = 4711
SELECT id, customer_id, total FROM orders WHERE id = :id;

-- name: OrdersOfCustomer
-- params one: customer_id = 17
SELECT id, created, total FROM orders WHERE customer_id = :customer_id;

-- name: CountOrdersOfCustomer
-- params one: customer_id = 18
SELECT count(*) FROM orders WHERE customer_id = :customer_id;

-- name: CountOrdersOfCustomers
SELECT count(*) FROM orders WHERE customer_id BETWEEN 2001 AND 4000;

-- name: OpenOrdersOfCustomer
-- params one: customer_id = 19
SELECT id, total FROM orders WHERE customer_id = :customer_id AND status = 'open';

-- name: LargestOrderOfCustomer
-- params one: customer_id = 20
SELECT max(total) FROM orders WHERE customer_id = :customer_id;

-- name: LatestOrdersOfCustomer
-- params one: customer_id = 21
SELECT id, created FROM orders WHERE customer_id = :customer_id ORDER BY created DESC LIMIT 5;

-- name: LatestOrdersOfLargestCustomer
SELECT id, created FROM orders WHERE customer_id = 1 ORDER BY created DESC LIMIT 20;

-- name: CustomerWithOrders
-- params one: customer_id = 22
SELECT c.name, o.id, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = :customer_id;

-- name: ItemsOfCustomer
-- params one: customer_id = 23
SELECT i.product_id, i.qty FROM orders o JOIN items i ON i.order_id = o.id WHERE o.customer_id = :customer_id;

-- name: OrdersOfDay
SELECT id, total FROM orders WHERE created = '2024-05-17';

-- name: CountOrdersOfMonth
SELECT count(*) FROM orders WHERE created BETWEEN '2024-06-01' AND '2024-06-30';

-- name: PageOfOrders
SELECT id, customer_id, total FROM orders WHERE id BETWEEN 10001 AND 14000 ORDER BY id;

-- name: TotalsByCountry
SELECT c.country, sum(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.country;

-- name: TotalsByStatus
SELECT status, count(*), sum(total) FROM orders GROUP BY status;

-- name: ItemsOfOrder
-- params one: order_id = 4712
SELECT id, product_id, qty FROM items WHERE order_id = :order_id;

-- name: SalesOfProduct
-- params one: product_id = 42
SELECT sum(qty), sum(qty * price) FROM items WHERE product_id = :product_id;

-- name: CountItemsOfProducts
SELECT count(*) FROM items WHERE product_id BETWEEN 101 AND 200;

-- name: AllItems
SELECT sum(qty) FROM items;

-- name: CustomerByEmail
-- params one: email = 'customer4713@example.org'
SELECT id, name FROM customers WHERE email = :email;
