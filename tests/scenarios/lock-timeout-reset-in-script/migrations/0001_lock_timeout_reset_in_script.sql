SET lock_timeout = '3s';
RESET lock_timeout;
ALTER TABLE visits ADD COLUMN referrer text;
