CREATE TABLE parent (id integer, note text);
INSERT INTO parent VALUES (1, 'a');
ALTER TABLE parent ADD CONSTRAINT known CHECK (id IS NOT NULL) NOT VALID;
CREATE TABLE heir () INHERITS (parent);
INSERT INTO heir VALUES (2, 'b');
