SET lock_timeout = '300ms';
ALTER TABLE customers ADD COLUMN note text;
