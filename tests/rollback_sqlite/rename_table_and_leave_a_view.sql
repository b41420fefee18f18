-- verdict: exact
-- migration
ALTER TABLE orders RENAME TO purchases;
CREATE VIEW orders AS SELECT * FROM purchases;
CREATE TRIGGER orders_insert INSTEAD OF INSERT ON orders BEGIN INSERT INTO purchases (id, customer) VALUES (new.id, new.customer); END;
