CREATE TABLE visits (id integer PRIMARY KEY, page text NOT NULL);
