CREATE TABLE seats (id integer PRIMARY KEY, place text NOT NULL, taken boolean NOT NULL);
CREATE UNIQUE INDEX seats_place_idx ON seats (place) WHERE taken;
INSERT INTO seats VALUES (1, 'A1', true), (2, 'A2', false);
