CREATE ROLE tide_reader;

CREATE TABLE harbours (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE readings (
    harbour bigint NOT NULL REFERENCES harbours (id),
    taken_at timestamptz NOT NULL,
    centimetres integer NOT NULL
);
INSERT INTO harbours (name) SELECT 'harbour ' || n FROM generate_series(1, 20) AS n;
INSERT INTO readings
SELECT 1 + n % 20, '2026-01-01 00:00:00+00'::timestamptz + n * interval '10 minutes', n % 600
FROM generate_series(1, 800) AS n;

CREATE SCHEMA sqitch;
CREATE TABLE sqitch.releases (
    version real PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    installer_name text NOT NULL,
    installer_email text NOT NULL
);
CREATE TABLE sqitch.projects (
    project text PRIMARY KEY,
    uri text NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    creator_name text NOT NULL,
    creator_email text NOT NULL
);
CREATE TABLE sqitch.changes (
    change_id text PRIMARY KEY,
    script_hash text NULL,
    change text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    UNIQUE (project, script_hash)
);
CREATE TABLE sqitch.tags (
    tag_id text PRIMARY KEY,
    tag text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    change_id text NOT NULL REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    UNIQUE (project, tag)
);
CREATE TABLE sqitch.dependencies (
    change_id text NOT NULL REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE ON DELETE CASCADE,
    type text NOT NULL,
    dependency text NOT NULL,
    dependency_id text NULL REFERENCES sqitch.changes (change_id) ON UPDATE CASCADE
    CONSTRAINT dependencies_check CHECK (
        (type = 'require' AND dependency_id IS NOT NULL) OR (type = 'conflict' AND dependency_id IS NULL)
    ),
    PRIMARY KEY (change_id, dependency)
);
CREATE TABLE sqitch.events (
    event text NOT NULL CONSTRAINT events_event_check CHECK (event IN ('deploy', 'revert', 'fail', 'merge')),
    change_id text NOT NULL,
    change text NOT NULL,
    project text NOT NULL REFERENCES sqitch.projects (project) ON UPDATE CASCADE,
    note text NOT NULL DEFAULT '',
    requires text[] NOT NULL DEFAULT '{}',
    conflicts text[] NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamptz NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    PRIMARY KEY (change_id, committed_at)
);

INSERT INTO sqitch.releases VALUES (1.1, '2026-11-23 03:00:17.028159+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.projects VALUES ('tides', 'https://example.org/tides/', '2026-11-23 03:00:17.029282+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.changes VALUES ('15365d35b2ea0bd2e0c1123fe0152e8224fa8b0e', '22af144f8f744afb54dd6bd7e6b09902a94dffa2', 'harbours', 'tides', 'Harbours with a tide gauge.', '2026-11-23 03:00:17.19406+00', 'Ada Mole', 'ada@example.org', '2026-11-23 02:59:54+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.changes VALUES ('c87aec5210b1412e52ef9a3fe348a5adb88af4db', '89492b4027b89fd75c0f9c63cbafe14aa34162bf', 'readings', 'tides', 'What the gauges say; one row for each reading.', '2026-11-23 03:00:17.503466+00', 'Ada Mole', 'ada@example.org', '2026-11-23 02:59:57+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.dependencies VALUES ('c87aec5210b1412e52ef9a3fe348a5adb88af4db', 'require', 'harbours', '15365d35b2ea0bd2e0c1123fe0152e8224fa8b0e');
INSERT INTO sqitch.tags VALUES ('f91068389d4367230dcf0c5c9c620d24871a5618', '@v1.0', 'tides', 'c87aec5210b1412e52ef9a3fe348a5adb88af4db', 'First season.', '2026-11-23 03:00:17.523667+00', 'Ada Mole', 'ada@example.org', '2026-11-23 03:00:00+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.events VALUES ('deploy', '15365d35b2ea0bd2e0c1123fe0152e8224fa8b0e', 'harbours', 'tides', 'Harbours with a tide gauge.', '{}', '{}', '{}', '2026-11-23 03:00:17.208367+00', 'Ada Mole', 'ada@example.org', '2026-11-23 02:59:54+00', 'Ada Mole', 'ada@example.org');
INSERT INTO sqitch.events VALUES ('deploy', 'c87aec5210b1412e52ef9a3fe348a5adb88af4db', 'readings', 'tides', 'What the gauges say; one row for each reading.', '{harbours}', '{}', '{@v1.0}', '2026-11-23 03:00:17.527223+00', 'Ada Mole', 'ada@example.org', '2026-11-23 02:59:57+00', 'Ada Mole', 'ada@example.org');
