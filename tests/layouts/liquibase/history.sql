CREATE TABLE tallies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    species text NOT NULL,
    seen integer NOT NULL,
    place text
);
COMMENT ON COLUMN tallies.place IS 'where; by tally';
INSERT INTO tallies (species, seen, place)
SELECT 'species ' || n % 30, n % 12, 'place ' || n % 9 FROM generate_series(1, 600) AS n;

CREATE TABLE databasechangelog (
    id character varying(255) NOT NULL,
    author character varying(255) NOT NULL,
    filename character varying(255) NOT NULL,
    dateexecuted timestamp without time zone NOT NULL,
    orderexecuted integer NOT NULL,
    exectype character varying(10) NOT NULL,
    md5sum character varying(35),
    description character varying(255),
    comments character varying(255),
    tag character varying(255),
    liquibase character varying(20),
    contexts character varying(255),
    labels character varying(255),
    deployment_id character varying(10)
);
CREATE TABLE databasechangeloglock (
    id integer NOT NULL PRIMARY KEY,
    locked boolean NOT NULL,
    lockgranted timestamp without time zone,
    lockedby character varying(255)
);
INSERT INTO databasechangeloglock (id, locked) VALUES (1, false);
INSERT INTO databasechangelog VALUES
    ('create-tallies', 'ada', 'changelog/root.sql', '2026-09-01 08:15:45.193806', 1, 'EXECUTED',
     '9:b0af1ad691ef8550dab0c3226fb886cf', 'sql', 'what is counted', NULL, '4.28.0', 'all', 'base', '5403744752'),
    ('add-place', 'ada', 'changelog/root.sql', '2026-09-01 08:15:45.331311', 2, 'EXECUTED',
     '9:45cc4774022ed3f0ed9bb272030d95b1', 'sql', '', NULL, '4.28.0', NULL, NULL, '5403744752');
