-- no-transaction
CREATE INDEX CONCURRENTLY books_isbn_idx ON books (isbn);
