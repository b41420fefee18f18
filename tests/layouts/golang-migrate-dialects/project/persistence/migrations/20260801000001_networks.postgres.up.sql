CREATE TABLE networks (
    id uuid PRIMARY KEY,
    name text NOT NULL
);
