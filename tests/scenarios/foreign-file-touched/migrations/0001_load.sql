INSERT INTO prices SELECT line::int, 'EUR', 0 FROM deliveries;
UPDATE prices SET price = 0 WHERE id = 1;
