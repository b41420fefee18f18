ALTER TABLE shelves ADD COLUMN floor integer;
