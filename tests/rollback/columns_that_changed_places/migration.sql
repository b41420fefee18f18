DROP VIEW sides;
ALTER TABLE pairs RENAME COLUMN left_side TO held;
ALTER TABLE pairs RENAME COLUMN right_side TO left_side;
ALTER TABLE pairs RENAME COLUMN held TO right_side;
ALTER TABLE pairs ALTER COLUMN right_side TYPE bigint;
CREATE INDEX pairs_left ON pairs (left_side);
