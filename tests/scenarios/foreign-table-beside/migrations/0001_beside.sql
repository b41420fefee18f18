SET lock_timeout = '2s';
ALTER FOREIGN TABLE rates ADD COLUMN valid_until date;
UPDATE prices SET price = price + 1 WHERE id < 10;
