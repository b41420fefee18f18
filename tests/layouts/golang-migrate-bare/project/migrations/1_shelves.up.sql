CREATE TABLE shelves (
    id bigint PRIMARY KEY,
    room text NOT NULL
);
