CREATE TABLE parent (id int PRIMARY KEY, a int, b int, UNIQUE (a, b)); INSERT INTO parent SELECT i, i, i FROM generate_series(1, 10) i;
CREATE TABLE child (id int PRIMARY KEY, p int, a int, b int, up int,
    CONSTRAINT child_p FOREIGN KEY (p) REFERENCES parent ON UPDATE CASCADE ON DELETE SET NULL,
    CONSTRAINT child_a FOREIGN KEY (a, b) REFERENCES parent (a, b) MATCH FULL DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT child_self FOREIGN KEY (up) REFERENCES child ON DELETE SET DEFAULT);
INSERT INTO child SELECT i, i, i, i, CASE WHEN i > 1 THEN i - 1 END FROM generate_series(1, 10) i;
COMMENT ON CONSTRAINT child_a ON child IS 'both or none';
