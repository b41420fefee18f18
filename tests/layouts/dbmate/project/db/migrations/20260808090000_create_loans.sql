-- migrate:up
CREATE TABLE loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reader_id bigint NOT NULL REFERENCES readers,
    due_on date NOT NULL
);

-- migrate:down
DROP TABLE loans;
