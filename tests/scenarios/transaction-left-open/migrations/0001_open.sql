BEGIN;
ALTER TABLE orders ADD COLUMN origin text;
