CREATE TABLE log (at integer, what text);
INSERT INTO log VALUES (1, 'same'), (2, 'more'), (NULL, NULL);
