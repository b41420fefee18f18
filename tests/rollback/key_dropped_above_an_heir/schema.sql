CREATE TABLE parent (id integer PRIMARY KEY, note text);
CREATE TABLE heir () INHERITS (parent);
CREATE TABLE child (parent integer CONSTRAINT child_parent REFERENCES parent (id));
INSERT INTO parent VALUES (1, 'a');
INSERT INTO heir VALUES (1, 'b'), (1, 'c');
INSERT INTO child VALUES (1);
