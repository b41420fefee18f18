-- verdict: exact
-- migration
DROP VIEW open_orders;
ALTER TABLE lines RENAME TO old_lines;
CREATE TABLE lines (number INTEGER NOT NULL, position INTEGER NOT NULL, amount, checked INT DEFAULT 0, PRIMARY KEY (position, number));
INSERT INTO lines (number, position, amount) SELECT number, position, amount FROM old_lines;
DROP TABLE old_lines;
