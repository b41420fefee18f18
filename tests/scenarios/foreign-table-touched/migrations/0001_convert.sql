SET lock_timeout = '2s';
UPDATE prices SET price = price * rates.rate FROM rates WHERE rates.currency = prices.currency;
