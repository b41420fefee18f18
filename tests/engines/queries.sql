-- name: ListOverdue
-- params all: state = 'overdue'
SELECT id, book_id, reader FROM loans WHERE state = :state;

-- name: ListBooksOfAuthor
-- params one: author_id = 7
SELECT id, title, price FROM books WHERE author_id = :author_id ORDER BY title;

-- name: GetBook
-- params one: id = 4711
SELECT title, price FROM books WHERE id = :id;
