CREATE TABLE accounts (id int PRIMARY KEY, v text);
CREATE TABLE sessions (id int PRIMARY KEY, account_id int REFERENCES accounts ON DELETE CASCADE, v text);
INSERT INTO accounts SELECT i, 'a' || i FROM generate_series(1, 5) AS i;
INSERT INTO sessions SELECT i, nullif(i, 10) % 5 + 1, 's' || i FROM generate_series(1, 10) AS i;
