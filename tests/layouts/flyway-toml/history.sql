CREATE SCHEMA fleet;
SET search_path TO fleet;
CREATE TABLE boats (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE crews (id int PRIMARY KEY, boat int NOT NULL REFERENCES boats);
INSERT INTO boats SELECT n, 'boat ' || n FROM generate_series(1, 60) AS n;
INSERT INTO crews SELECT n, 1 + n % 60 FROM generate_series(1, 300) AS n;

CREATE TABLE changes (
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
ALTER TABLE changes ADD CONSTRAINT changes_pk PRIMARY KEY (installed_rank);
CREATE INDEX changes_s_idx ON changes USING btree (success);
INSERT INTO changes
    (installed_rank, version, description, type, script, checksum, installed_by, installed_on, execution_time, success)
VALUES
    (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '"fleet"', NULL, 'marina', '2026-05-04 06:30:00.001', 0, true),
    (1, '1', 'boats', 'SQL', 'change-1-boats.sql', -808194449, 'marina', '2026-05-04 06:30:00.250', 7, true),
    (2, '2', 'crews', 'SQL', 'change-2-crews.sql', 77012345, 'marina', '2026-06-01 06:30:00.113', 12, true);
