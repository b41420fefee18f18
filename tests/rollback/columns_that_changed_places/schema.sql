CREATE TABLE pairs (id int PRIMARY KEY, left_side integer NOT NULL, right_side varchar(10) DEFAULT 'r', CHECK (left_side > 0));
INSERT INTO pairs SELECT i, i, 'r' || i FROM generate_series(1, 10) i;
CREATE INDEX pairs_both ON pairs (left_side, right_side);
CREATE VIEW sides AS SELECT left_side AS l, right_side AS r FROM pairs;
