INSERT INTO prices VALUES ('tea', 3, true);
