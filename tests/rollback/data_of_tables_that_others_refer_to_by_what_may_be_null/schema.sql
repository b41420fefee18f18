CREATE TABLE countries (code text UNIQUE, name text);
CREATE TABLE cities (id int PRIMARY KEY, country text REFERENCES countries (code) ON DELETE SET NULL);
CREATE TABLE currencies (code text NOT NULL, name text);
CREATE UNIQUE INDEX currencies_code ON currencies (code);
CREATE TABLE prices (id int PRIMARY KEY, currency text REFERENCES currencies (code) ON DELETE CASCADE);
INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France'), (NULL, 'Atlantis'), (NULL, 'Atlantis');
INSERT INTO cities VALUES (1, 'de'), (2, 'fr'), (3, NULL);
INSERT INTO currencies VALUES ('eur', 'Euro'), ('usd', 'Dollar');
INSERT INTO prices VALUES (1, 'eur'), (2, 'usd');
