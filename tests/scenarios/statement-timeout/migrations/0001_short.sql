SET statement_timeout = '5s';
ALTER TABLE visits ADD COLUMN referrer text;
