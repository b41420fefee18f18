CREATE TABLE lamps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place text NOT NULL,
    watts int
);
INSERT INTO lamps (place, watts) SELECT 'cape ' || n, nullif(n % 5, 0) FROM generate_series(1, 300) AS n;

CREATE TABLE refinery_schema_history (
    version integer NOT NULL PRIMARY KEY,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);
INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES
    (1, 'create_lamps', '2026-11-23T03:06:27.062703786Z', '12817358860616499082'),
    (3, 'add_watts', '2026-11-23T03:06:27.062725158Z', '13043308286449328898');
