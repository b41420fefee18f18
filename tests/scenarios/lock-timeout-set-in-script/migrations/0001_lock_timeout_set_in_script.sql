SET lock_timeout = '3s';
ALTER TABLE visits ADD COLUMN referrer text;
