CREATE TABLE books (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL
);
INSERT INTO books (title) SELECT 'Volume ' || n FROM generate_series(1, 500) AS n;

CREATE TABLE _sqlx_migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) VALUES
    (20260901080000, 'create books', '2026-09-01 08:01:12+00', true,
     '\xeac42f9c174dee128d599552f1fa07784a1d90bc86cdb2cc2f420257cb307a2b394b633385d456c878624dbdc1d92b52', 4211973);
