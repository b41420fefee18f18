SET lock_timeout = 0;
ALTER TABLE payments ALTER COLUMN method SET STORAGE PLAIN;
