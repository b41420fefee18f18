CREATE VIEW v AS SELECT id, quantity AS n FROM orders;
