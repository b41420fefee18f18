-- A small library, in SQL that every engine reads alike. No person in it exists.

CREATE TABLE authors (
    id integer PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE books (
    id integer PRIMARY KEY,
    author_id integer NOT NULL REFERENCES authors (id),
    title text NOT NULL,
    shelf text,
    price integer NOT NULL
);

CREATE TABLE loans (
    id integer PRIMARY KEY,
    book_id integer NOT NULL REFERENCES books (id),
    reader text NOT NULL,
    state text NOT NULL
);

CREATE TABLE notices (
    id integer PRIMARY KEY,
    body text NOT NULL
);

INSERT INTO authors
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
SELECT i, 'Author ' || i FROM n;

INSERT INTO books
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
SELECT i, 1 + (i * 7 % 200), 'Book ' || i, CASE WHEN i % 5 = 0 THEN 'Shelf ' || (i % 40) END, 100 + (i * 31 % 900) FROM n;

INSERT INTO loans
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
SELECT i, 1 + (i * 13 % 20000), 'reader' || (i % 5000), CASE WHEN i % 300 = 0 THEN 'overdue' ELSE 'back' END FROM n;

INSERT INTO notices
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
SELECT i, 'Notice ' || i FROM n;

CREATE INDEX books_author_id_idx ON books (author_id);
CREATE INDEX loans_book_id_idx ON loans (book_id);
CREATE INDEX loans_state_idx ON loans (state);

CREATE VIEW overdue AS SELECT id, book_id, reader FROM loans WHERE state = 'overdue';
