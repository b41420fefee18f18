-- verdict: exact
-- migration
CREATE TABLE extra (id INTEGER PRIMARY KEY AUTOINCREMENT, a REFERENCES orders);
INSERT INTO extra (a) VALUES (1);
CREATE UNIQUE INDEX extra_a ON extra (a);
CREATE VIEW extras AS SELECT * FROM extra;
CREATE TRIGGER extra_in AFTER INSERT ON orders BEGIN INSERT INTO extra (a) VALUES (new.id); END;
