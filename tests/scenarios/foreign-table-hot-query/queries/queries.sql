-- name: GetPrice
SELECT price FROM prices WHERE id = 7;

-- name: GetCurrentPrice
SELECT price FROM current_prices WHERE id = 7;

-- name: GetRate
SELECT rate FROM rates WHERE currency = 'EUR';
