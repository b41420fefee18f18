CREATE OR REPLACE VIEW open_orders AS
    SELECT id, customer_id, total_cents FROM orders WHERE status = 'waiting';
CREATE OR REPLACE FUNCTION order_total(order_id integer) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(total_cents), 0) FROM public.orders WHERE id = order_total.order_id;
$$;
