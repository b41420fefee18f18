ALTER TABLE orders ALTER COLUMN note TYPE varchar(10) USING left(note, 10);
