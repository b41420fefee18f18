-- verdict: exact
-- A virtual table whose module this library does not have can be neither read nor made: it stays as it is.
PRAGMA writable_schema = ON;
INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
VALUES ('table', 'places', 'places', 0, 'CREATE VIRTUAL TABLE places USING not_in_this_library(name)');
PRAGMA writable_schema = OFF;
-- migration
ALTER TABLE orders ADD COLUMN gift_note TEXT;
