-- Prints the [production] section of seatrial.toml, as TOML, from a running PostgreSQL server (13 or newer):
--
--     psql -XqAt -f docs/production.sql "$PRODUCTION_URL"
--
-- It reads the catalog only, in a read-only transaction, and takes no lock on any table. What it prints: the server's
-- version, parameters that decide about plans, memory and waiting, the same for single roles, names of the largest
-- tables with the rows the server's statistics count, and the size of the database. No values of user data.

\set ON_ERROR_STOP on
SET default_transaction_read_only = on;
SET search_path = pg_catalog;
SET client_encoding = 'UTF8';
BEGIN TRANSACTION READ ONLY;

WITH RECURSIVE
    -- What a copy can be given; anything else is left out.
    parameter (name) AS (VALUES
        ('constraint_exclusion'), ('cpu_index_tuple_cost'), ('cpu_operator_cost'), ('cpu_tuple_cost'),
        ('cursor_tuple_fraction'), ('deadlock_timeout'), ('default_statistics_target'),
        ('effective_cache_size'), ('effective_io_concurrency'), ('enable_async_append'), ('enable_bitmapscan'),
        ('enable_distinct_reordering'), ('enable_gathermerge'), ('enable_group_by_reordering'),
        ('enable_hashagg'), ('enable_hashjoin'), ('enable_incremental_sort'), ('enable_indexonlyscan'),
        ('enable_indexscan'), ('enable_material'), ('enable_memoize'), ('enable_mergejoin'),
        ('enable_nestloop'), ('enable_parallel_append'), ('enable_parallel_hash'),
        ('enable_partition_pruning'), ('enable_partitionwise_aggregate'), ('enable_partitionwise_join'),
        ('enable_presorted_aggregate'), ('enable_self_join_elimination'), ('enable_seqscan'), ('enable_sort'),
        ('enable_tidscan'), ('from_collapse_limit'), ('geqo'), ('geqo_effort'), ('geqo_generations'),
        ('geqo_pool_size'), ('geqo_seed'), ('geqo_selection_bias'), ('geqo_threshold'),
        ('hash_mem_multiplier'), ('jit'), ('jit_above_cost'),
        ('jit_inline_above_cost'), ('jit_optimize_above_cost'), ('join_collapse_limit'), ('lock_timeout'),
        ('maintenance_io_concurrency'), ('maintenance_work_mem'), ('max_parallel_maintenance_workers'),
        ('max_parallel_workers'), ('max_parallel_workers_per_gather'), ('min_parallel_index_scan_size'),
        ('min_parallel_table_scan_size'), ('parallel_leader_participation'), ('parallel_setup_cost'),
        ('parallel_tuple_cost'), ('plan_cache_mode'), ('random_page_cost'), ('recursive_worktable_factor'),
        ('seq_page_cost'), ('statement_timeout'), ('temp_buffers'),
        ('work_mem')
    ),
    -- Worth knowing even where nobody changed them: a copy's own values may differ.
    always (name) AS (VALUES
        ('default_statistics_target'), ('effective_cache_size'), ('jit'), ('max_parallel_workers_per_gather'),
        ('random_page_cost'), ('work_mem')
    ),
    role_setting AS (
        SELECT DISTINCT ON (r.rolname, p.name)
            r.rolname, p.name, substr(c.item, strpos(c.item, '=') + 1) AS value
        FROM pg_db_role_setting s
        JOIN pg_roles r ON r.oid = s.setrole
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (item)
        JOIN parameter p ON p.name = split_part(c.item, '=', 1)
        WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
          AND r.rolname !~ '^pg_'
        ORDER BY r.rolname, p.name, s.setdatabase <> 0 DESC
    ),
    -- Partitions are counted for the table they belong to, however deep.
    part (root, oid) AS (
        SELECT c.oid, c.oid FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
        UNION ALL
        SELECT part.root, i.inhrelid
        FROM part
        JOIN pg_inherits i ON i.inhparent = part.oid
        JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
    ),
    size AS (
        SELECT quote_ident(n.nspname) || '.' || quote_ident(t.relname) AS name,
               sum(greatest(c.reltuples, 0))::float8::bigint AS rows
        FROM part
        JOIN pg_class t ON t.oid = part.root
        JOIN pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_class c ON c.oid = part.oid AND c.relkind = 'r'
        WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        GROUP BY 1
        HAVING sum(greatest(c.reltuples, 0)) > 0
        ORDER BY 2 DESC, 1
        LIMIT 200
    ),
    -- JSON's strings are TOML's, but for the character 127.
    line (part, nth, text) AS (
        SELECT 1, '', '[production]'
        UNION ALL
        SELECT 2, '', 'version = ' || to_json(split_part(current_setting('server_version'), ' ', 1))
        UNION ALL
        SELECT 3, '', E'\n[production.settings]'
        UNION ALL
        -- What is set for the role that asks hides what holds for everybody else.
        SELECT 4, s.name,
               CASE WHEN s.source IN ('user', 'database user', 'client', 'session')
                    THEN '# ' || s.name || ': set for the role that asked; its value for others cannot be seen from here'
                    ELSE s.name || ' = ' || to_json(current_setting(s.name)) END
        FROM pg_settings s
        JOIN parameter p ON p.name = s.name
        WHERE s.source <> 'default' OR s.name IN (SELECT a.name FROM always a)
        UNION ALL
        SELECT 5, rolname, E'\n[production.role_settings.' || replace(to_json(rolname::text)::text, chr(127), '\u007F') || ']'
        FROM role_setting GROUP BY rolname
        UNION ALL
        SELECT 5, rolname || chr(1) || name, name || ' = ' || to_json(value) FROM role_setting
        UNION ALL
        SELECT 6, '', E'\n[production.sizes]'
        UNION ALL
        SELECT 7, '', 'database_bytes = ' || pg_database_size(current_database())
        UNION ALL
        SELECT 8, lpad((row_number() OVER (ORDER BY rows DESC, name))::text, 5, '0'),
               replace(to_json(name)::text, chr(127), '\u007F') || ' = ' || rows
        FROM size
    )
SELECT text FROM line ORDER BY part, nth COLLATE "C";

ROLLBACK;
