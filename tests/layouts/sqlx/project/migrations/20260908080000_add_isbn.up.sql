ALTER TABLE books ADD COLUMN isbn text;
COMMENT ON COLUMN books.isbn IS 'thirteen digits';
