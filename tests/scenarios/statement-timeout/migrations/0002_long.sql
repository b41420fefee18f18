SET statement_timeout = '1h';
SET lock_timeout = '2h';
ALTER TABLE visits ADD COLUMN visitor text;
