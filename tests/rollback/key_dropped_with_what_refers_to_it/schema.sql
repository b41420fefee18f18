CREATE TABLE lands (code text, name text NOT NULL, CONSTRAINT lands_pkey PRIMARY KEY (code)); INSERT INTO lands VALUES ('de', 'Germany'), ('fr', 'France');
CREATE TABLE towns (id int PRIMARY KEY, land text, CONSTRAINT in_land FOREIGN KEY (land) REFERENCES lands ON UPDATE CASCADE); INSERT INTO towns VALUES (1, 'de'), (2, 'fr');
CREATE VIEW by_land AS SELECT l.code, l.name, count(t.id) FROM lands l LEFT JOIN towns t ON t.land = l.code GROUP BY l.code; GRANT SELECT ON by_land TO reader;
