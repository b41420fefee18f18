CREATE TABLE "Weird $seatrial$ é" (id integer PRIMARY KEY, v text);
INSERT INTO "Weird $seatrial$ é" SELECT i, 'v' || i FROM generate_series(1, 5) AS i;
CREATE TABLE kept (id integer PRIMARY KEY, "$seatrial$" text);
INSERT INTO kept SELECT i, 'v' || i FROM generate_series(1, 5) AS i;
