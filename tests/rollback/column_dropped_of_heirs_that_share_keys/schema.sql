CREATE TABLE base (id int PRIMARY KEY, v text, n numeric(6,2));
CREATE TABLE heir (w text, PRIMARY KEY (id)) INHERITS (base);
CREATE TABLE last_of_all () INHERITS (heir);
INSERT INTO base SELECT i, 'b' || i, i + 0.25 FROM generate_series(1, 3) AS i;
INSERT INTO heir SELECT i, 'h' || i, i + 0.5, 'w' FROM generate_series(1, 4) AS i;
INSERT INTO last_of_all SELECT i, 'l' || i, i + 0.75, 'w' || i FROM generate_series(1, 5) AS i;
