-- Up Migration
CREATE TABLE parcels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    grams integer NOT NULL
);

-- Down Migration
DROP TABLE parcels;
