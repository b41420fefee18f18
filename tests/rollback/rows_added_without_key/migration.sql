INSERT INTO log VALUES (1, 'same'), (1, 'same'), (2, 'other');
