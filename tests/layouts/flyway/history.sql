CREATE TABLE berths (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pier text NOT NULL,
    length_m numeric
);
INSERT INTO berths (pier, length_m) SELECT 'pier ' || n % 7, n % 30 FROM generate_series(1, 400) AS n;
CREATE VIEW long_berths AS SELECT id, pier FROM berths WHERE length_m > 25;

CREATE TABLE flyway_schema_history (
    installed_rank integer NOT NULL,
    version character varying(50),
    description character varying(200) NOT NULL,
    type character varying(20) NOT NULL,
    script character varying(1000) NOT NULL,
    checksum integer,
    installed_by character varying(100) NOT NULL,
    installed_on timestamp without time zone DEFAULT now() NOT NULL,
    execution_time integer NOT NULL,
    success boolean NOT NULL
);
ALTER TABLE flyway_schema_history ADD CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank);
CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history USING btree (success);
INSERT INTO flyway_schema_history
    (installed_rank, version, description, type, script, checksum, installed_by, installed_on, execution_time, success)
VALUES
    (1, '1', 'create berths', 'SQL', 'V1__create_berths.sql', 823247591, 'harbour', '2026-08-03 07:00:11.402', 9, true),
    (2, '1.1', 'add length', 'SQL', 'V1_1__add_length.sql', -839556468, 'harbour', '2026-08-17 07:00:09.118', 5, true),
    (3, NULL, 'long berths', 'SQL', 'R__long_berths.sql', -1180215330, 'harbour', '2026-08-17 07:00:09.140', 4, true);
