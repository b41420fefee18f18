ALTER TABLE orders ALTER COLUMN note TYPE varchar(7) USING left(note, 7), ALTER COLUMN amount TYPE integer USING amount::integer;
