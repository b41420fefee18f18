-- Which warehouse holds how many of what, and every change to it.

CREATE TABLE warehouse.warehouses (
    id serial,
    code text NOT NULL,
    city text NOT NULL,
    CONSTRAINT warehouses_pkey PRIMARY KEY (id),
    CONSTRAINT warehouses_code_key UNIQUE (code)
);

CREATE TABLE warehouse.stock_levels (
    product_id bigint NOT NULL,
    warehouse_id integer NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    reorder_at integer DEFAULT 10 NOT NULL,
    CONSTRAINT stock_levels_pkey PRIMARY KEY (product_id, warehouse_id),
    CONSTRAINT stock_levels_reserved_check CHECK (reserved BETWEEN 0 AND on_hand),
    CONSTRAINT stock_levels_product_id_fkey FOREIGN KEY (product_id) REFERENCES shop.products (id),
    CONSTRAINT stock_levels_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id)
);

CREATE INDEX stock_levels_warehouse_id_idx ON warehouse.stock_levels (warehouse_id);
CREATE INDEX stock_levels_low_idx ON warehouse.stock_levels (warehouse_id, product_id)
    WHERE on_hand - reserved < reorder_at;

CREATE TABLE warehouse.stock_movements (
    id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    warehouse_id integer NOT NULL,
    quantity integer NOT NULL,
    reason text NOT NULL,
    reference text,
    moved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stock_movements_pkey PRIMARY KEY (id),
    CONSTRAINT stock_movements_quantity_check CHECK (quantity <> 0),
    CONSTRAINT stock_movements_reason_check CHECK (reason IN ('sale', 'delivery', 'return', 'correction')),
    CONSTRAINT stock_movements_product_id_fkey FOREIGN KEY (product_id) REFERENCES shop.products (id),
    CONSTRAINT stock_movements_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouse.warehouses (id)
);

COMMENT ON COLUMN warehouse.stock_movements.reference IS 'Delivery note of the supplier, or the order number.';

CREATE INDEX stock_movements_product_id_warehouse_id_moved_at_idx
    ON warehouse.stock_movements (product_id, warehouse_id, moved_at DESC);
CREATE INDEX stock_movements_warehouse_id_moved_at_idx
    ON warehouse.stock_movements (warehouse_id, moved_at DESC);
