-- Goods-in looks movements up by the number on the delivery note.

CREATE INDEX stock_movements_reference_idx ON stock_movements (reference);
