-- A small shop, just above the sizes from which a lock is worth a finding. The scenarios that name no source of
-- their own happen here. Every value follows from generate_series, so every load is the same.

CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout = '5s';
CREATE ROLE reporting NOLOGIN;
GRANT CREATE ON SCHEMA public TO app;

CREATE TYPE public.payment_method AS ENUM ('card', 'transfer', 'voucher');

-- Forty addresses belong to two customers each. A third of the customers have a nickname, none has a fax.
CREATE TABLE public.customers (
    id integer PRIMARY KEY,
    email text NOT NULL,
    nickname text,
    country text NOT NULL,
    fax text
);
INSERT INTO public.customers (id, email, nickname, country)
SELECT n, 'customer' || CASE WHEN n > 11960 THEN n - 11960 ELSE n END || '@example.org',
       CASE WHEN n % 3 = 0 THEN 'nick ' || n END, (ARRAY['NO', 'DE', 'FR', 'PT'])[n % 4 + 1]
FROM generate_series(1, 12000) AS n;

-- Forty orders wait for payment; a quarter has not been shipped; thirteen totals are negative; no quantity is missing.
CREATE TABLE public.orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL,
    status text NOT NULL,
    reference varchar(20) NOT NULL,
    total_cents integer NOT NULL,
    quantity integer,
    paid boolean,
    shipped_at timestamp with time zone,
    note varchar(100),
    CONSTRAINT orders_paid_known CHECK (paid IS NOT NULL)
);
INSERT INTO public.orders
SELECT n, n % 12000 + 1, CASE WHEN n % 500 = 7 THEN 'waiting' ELSE 'delivered' END, 'R-' || n,
       CASE WHEN n % 1600 = 11 THEN -n ELSE n * 10 END, n % 5 + 1, n % 500 <> 7,
       CASE WHEN n % 4 <> 0 THEN timestamptz '2026-01-01 00:00:00+00' + n * interval '10 minutes' END,
       rpad('note ' || n, 80, '.')
FROM generate_series(1, 20000) AS n;

-- Every order_id and customer_id exists; twenty-five refund_of do not.
CREATE TABLE public.payments (
    id integer PRIMARY KEY,
    order_id integer NOT NULL,
    customer_id integer NOT NULL,
    refund_of integer,
    amount_cents integer NOT NULL,
    method public.payment_method NOT NULL
);
INSERT INTO public.payments
SELECT n, n, n % 12000 + 1, CASE WHEN n % 600 = 3 THEN 900000 + n WHEN n % 50 = 1 THEN n END, n * 10,
       CASE n % 3 WHEN 0 THEN 'card' WHEN 1 THEN 'transfer' ELSE 'voucher' END::public.payment_method
FROM generate_series(1, 15000) AS n;

CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);
CREATE INDEX orders_status_idx ON public.orders (status);
CREATE INDEX orders_shipped_at_idx ON public.orders (shipped_at);
CREATE INDEX payments_order_id_idx ON public.payments (order_id);
CREATE INDEX payments_refund_of_idx ON public.payments (refund_of);
ALTER TABLE public.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers (id);

CREATE VIEW public.open_orders AS
    SELECT id, customer_id FROM public.orders WHERE status = 'waiting';

CREATE FUNCTION public.order_total(order_id integer) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT sum(total_cents) FROM public.orders WHERE id = order_total.order_id;
$$;

CREATE FUNCTION public.refuse_negative_amount() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount_cents < 0 THEN
        RAISE EXCEPTION 'negative amount';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payments_amount BEFORE INSERT OR UPDATE ON public.payments
    FOR EACH ROW EXECUTE FUNCTION public.refuse_negative_amount();

CREATE MATERIALIZED VIEW public.customer_sales AS
    SELECT customer_id, count(*) AS orders, sum(total_cents) AS total_cents FROM public.orders GROUP BY customer_id;
CREATE UNIQUE INDEX customer_sales_customer_id_idx ON public.customer_sales (customer_id);

ALTER TYPE public.payment_method OWNER TO app;
ALTER TABLE public.customers OWNER TO app;
ALTER TABLE public.orders OWNER TO app;
ALTER TABLE public.payments OWNER TO app;
ALTER VIEW public.open_orders OWNER TO app;
ALTER MATERIALIZED VIEW public.customer_sales OWNER TO app;
ALTER FUNCTION public.order_total(integer) OWNER TO app;
ALTER FUNCTION public.refuse_negative_amount() OWNER TO app;
GRANT SELECT ON public.customers TO reporting;
