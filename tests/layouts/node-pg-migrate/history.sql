CREATE TABLE parcels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    grams integer NOT NULL,
    CONSTRAINT parcels_code_key UNIQUE (code)
);
INSERT INTO parcels (code, grams) SELECT 'P-' || n, n * 7 FROM generate_series(1, 400) AS n;

CREATE TABLE pgmigrations (
    id serial PRIMARY KEY,
    name character varying(255) NOT NULL,
    run_on timestamp without time zone NOT NULL
);
INSERT INTO pgmigrations (name, run_on) VALUES
    ('1788249600000_create-parcels', '2026-09-02 06:46:32.147209'),
    ('1788336000000_code-is-unique', '2026-09-02 06:46:32.147209');
