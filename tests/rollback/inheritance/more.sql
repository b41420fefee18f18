CREATE TABLE parent (a int CONSTRAINT a_positive CHECK (a > 0), b text); CREATE TABLE child (x int) INHERITS (parent); CREATE TABLE child2 () INHERITS (parent);
INSERT INTO child VALUES (1, 'b', 2);
