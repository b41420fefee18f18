CREATE TABLE parent (id integer NOT NULL, note text);
CREATE TABLE heir () INHERITS (parent);
INSERT INTO heir VALUES (1, 'b');
