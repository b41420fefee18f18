CREATE TABLE a (x int, y int); CREATE TABLE b (x int, y int); INSERT INTO a VALUES (1, 2); INSERT INTO b VALUES (3, 4);
