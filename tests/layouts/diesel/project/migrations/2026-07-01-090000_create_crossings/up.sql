CREATE TABLE crossings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    harbour text NOT NULL,
    updated_at timestamp NOT NULL DEFAULT current_timestamp
);
