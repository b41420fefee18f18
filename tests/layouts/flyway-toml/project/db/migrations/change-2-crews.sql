CREATE TABLE crews (id int PRIMARY KEY, boat int NOT NULL REFERENCES boats);
