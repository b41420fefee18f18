CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := current_timestamp;
    RETURN NEW;
END;
$$;
CREATE TABLE crossings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    harbour text NOT NULL,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO crossings (harbour) SELECT 'harbour ' || n % 9 FROM generate_series(1, 500) AS n;

CREATE TABLE __diesel_schema_migrations (
    version character varying(50) NOT NULL PRIMARY KEY,
    run_on timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO __diesel_schema_migrations (version, run_on) VALUES
    ('00000000000000', '2026-11-23 03:06:27.709853'),
    ('20260701090000', '2026-11-23 03:06:27.712294');
