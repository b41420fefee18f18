-- Orders of customers and their items. Every value follows from generate_series through hashint4, so every load of one
-- size is the same. {orders} is replaced by a number of rows: twice as many items, a seventh and a half as many customers.
--
-- One order in 25 is of customer 1, all others are spread evenly; days are spread over the table without order, numbers
-- rise with it.

CREATE ROLE app NOLOGIN;
GRANT CREATE ON SCHEMA public TO app;

CREATE TABLE public.customers (
    id integer PRIMARY KEY,
    email text NOT NULL,
    country text NOT NULL,
    name text NOT NULL
);
INSERT INTO public.customers
SELECT n, 'customer' || n || '@example.org', 'country ' || (hashint4(n) & 65535) % 12, 'name ' || n
FROM generate_series(1, {orders} * 2 / 15) AS n;

CREATE TABLE public.orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL,
    created date NOT NULL,
    status text NOT NULL,
    total integer NOT NULL,
    note text
);
INSERT INTO public.orders
SELECT n,
       CASE WHEN (hashint4(n) & 1048575) % 25 = 0 THEN 1
            ELSE 1 + (hashint4(n + 400000000) & 1073741823) % ({orders} * 2 / 15) END,
       date '2024-01-01' + (hashint4(n + 800000000) & 1048575) % 700,
       (ARRAY['open', 'paid', 'sent', 'sent'])[1 + (hashint4(n + 1200000000) & 1048575) % 4],
       (hashint4(n + 1600000000) & 1048575) % 50000,
       rpad('note ' || n, 60, '.')
FROM generate_series(1, {orders}) AS n;

CREATE TABLE public.items (
    id integer PRIMARY KEY,
    order_id integer NOT NULL,
    product_id integer NOT NULL,
    qty integer NOT NULL,
    price integer NOT NULL
);
INSERT INTO public.items
SELECT n, 1 + n % {orders}, 1 + (hashint4(n) & 1048575) % 2000, 1 + n % 5, (hashint4(n + 400000000) & 65535) % 9000
FROM generate_series(1, {orders} * 2) AS n;

CREATE UNIQUE INDEX customers_email_idx ON public.customers (email);
CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);
CREATE INDEX orders_created_idx ON public.orders (created);
CREATE INDEX items_order_id_idx ON public.items (order_id);
CREATE INDEX items_product_id_idx ON public.items (product_id);

ALTER TABLE public.customers OWNER TO app;
ALTER TABLE public.orders OWNER TO app;
ALTER TABLE public.items OWNER TO app;
