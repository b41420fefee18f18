CREATE TABLE grown (id integer PRIMARY KEY);
CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES grown (id));
CREATE TABLE leaf (id integer PRIMARY KEY, parent integer REFERENCES child (id));
INSERT INTO grown VALUES (1);
INSERT INTO child VALUES (2, 1);
INSERT INTO leaf VALUES (3, 2);
