ALTER TABLE berths SET (fillfactor = 90);
