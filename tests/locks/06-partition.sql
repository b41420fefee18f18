-- # Partitions

-- A new partition
CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 1 partition

-- A new partition beside a default one
CREATE TABLE visits_2027 PARTITION OF visits FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.visits and 2 partitions
--> reads public.visits_other 60 rows

-- Attaching a table
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events_2026
--> lock ShareUpdateExclusiveLock public.events
--> reads public.events_2026 150 rows

-- Attaching a table whose check proves that its rows fit
--: ALTER TABLE events_2026 ADD CHECK (day >= '2026-01-01' AND day < '2027-01-01');
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events_2026
--> lock ShareUpdateExclusiveLock public.events

-- Attaching a table beside a default partition
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.visits, 1 partition alone
--> lock AccessExclusiveLock public.visits_2026
--> lock ShareUpdateExclusiveLock public.visits
--> reads public.visits_2026 90 rows
--> reads public.visits_other 60 rows

-- Attaching a table beside a default partition whose check proves that it has none of its rows
--: ALTER TABLE visits_other ADD CHECK (day < '2026-01-01' OR day >= '2027-01-01');
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.visits, 1 partition alone
--> lock AccessExclusiveLock public.visits_2026
--> lock ShareUpdateExclusiveLock public.visits
--> reads public.visits_2026 90 rows

-- Attaching a table to a parent with an index
--: CREATE INDEX events_kind_idx ON events (kind);
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events_2026
--> lock ShareLock public.events_2026
--> lock ShareUpdateExclusiveLock public.events
--> lock ShareUpdateExclusiveLock public.events_kind_idx
--> reads public.events_2026 150 rows
--> builds public.events_kind_idx

-- Attaching a default partition
ALTER TABLE events ATTACH PARTITION events_2026 DEFAULT;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events_2026
--> lock ShareUpdateExclusiveLock public.events
--> reads public.events_2026 150 rows

-- Detaching a partition
ALTER TABLE events DETACH PARTITION events_2024;
--> PostgreSQL 13
--> lock AccessExclusiveLock public.events
--> lock ShareUpdateExclusiveLock public.events, 1 partition alone
--> PostgreSQL 15, 18
--> lock AccessExclusiveLock public.events and 1 partition

-- Detaching a partition, concurrently
ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY;
--> PostgreSQL 13
--> fails 42601
--> PostgreSQL 15, 18
--> lock AccessExclusiveLock public.events, 1 partition alone
--> lock ShareUpdateExclusiveLock public.events and 1 partition
--> lock AccessShareLock public.events

-- Detaching a partition beside a default one, concurrently
ALTER TABLE visits DETACH PARTITION visits_2025 CONCURRENTLY;
--> PostgreSQL 13
--> fails 42601
--> PostgreSQL 15, 18
--> fails 55000

-- A unique constraint of a partitioned table
ALTER TABLE events ADD CONSTRAINT events_key UNIQUE (id, day);
--> PostgreSQL 13, 15
--> lock AccessExclusiveLock public.events
--> lock ShareLock public.events and 2 partitions
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows
--> builds public.events_key
--> PostgreSQL 18
--> lock AccessExclusiveLock public.events and 2 partitions
--> lock ShareLock public.events and 2 partitions
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows
--> builds public.events_key

-- Dropping a partitioned table
DROP TABLE events;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 2 partitions
