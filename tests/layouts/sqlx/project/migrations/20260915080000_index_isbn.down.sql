-- no-transaction
DROP INDEX CONCURRENTLY books_isbn_idx;
