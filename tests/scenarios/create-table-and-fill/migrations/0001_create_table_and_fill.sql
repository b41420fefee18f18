CREATE TABLE shipments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders (id),
    carrier text
);
INSERT INTO shipments (order_id, carrier) SELECT id, 'post' FROM orders WHERE shipped_at IS NOT NULL;
CREATE INDEX shipments_order_id_idx ON shipments (order_id);
ALTER TABLE shipments ADD COLUMN public_id uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE shipments ALTER COLUMN carrier SET NOT NULL;
ALTER TABLE shipments ADD CONSTRAINT shipments_public_id_key UNIQUE (public_id);
UPDATE shipments SET carrier = 'ship';
