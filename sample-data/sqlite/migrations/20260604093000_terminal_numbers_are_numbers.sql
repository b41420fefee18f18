-- Card terminals are numbered; text only because the old till padded them with zeros.

CREATE TABLE payments_new (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    terminal_no INTEGER NOT NULL,
    paid_at TEXT NOT NULL,
    amount_cents INTEGER NOT NULL
);

INSERT INTO payments_new SELECT * FROM payments;

DROP TABLE payments;

ALTER TABLE payments_new RENAME TO payments;

CREATE INDEX payments_order_id_idx ON payments (order_id);
