DELETE FROM users WHERE id <= 2;
INSERT INTO users VALUES (77, 'added');
