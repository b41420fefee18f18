ALTER TYPE mood RENAME VALUE 'happy' TO 'glad';
