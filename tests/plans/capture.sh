#!/bin/bash
# Captures the plans of this folder anew. Usage: capture.sh OUTPUT_DIRECTORY PSQL_ARGUMENTS...
# The database must have been filled with shop.sql; the server runs with jit=off and synchronize_seqscans=off.
out=$1; shift
mkdir -p $out
M="ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON, VERBOSE, SETTINGS"
P="FORMAT JSON, VERBOSE, SETTINGS"
one() { name=$1; shift; "${PSQL[@]}" -qAtX -v ON_ERROR_STOP=1 -c "$1" -c "$2" > $out/$name.json; }
PSQL=("$@")
N="SET plan_cache_mode=force_custom_plan"
one index_scan "$N" "EXPLAIN ($M) SELECT o.id, o.total FROM orders o WHERE o.customer_id = 777 AND o.status <> 'it''s -- open'"
one seq_scan "SET enable_indexscan=off; SET enable_bitmapscan=off; SET max_parallel_workers_per_gather=0" "EXPLAIN ($M) SELECT o.id, o.total FROM orders o WHERE o.customer_id = 777 AND o.status <> 'it''s -- open'"
one bitmap_or "$N" "EXPLAIN ($M) SELECT * FROM orders o WHERE o.customer_id IN (1,2,3) OR o.created = '2024-03-05'"
one hash_join "SET max_parallel_workers_per_gather=0" "EXPLAIN ($M) SELECT c.country, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country = 'de' GROUP BY c.country"
one nested_loop "$N" "EXPLAIN ($M) SELECT c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.created > '2025-11-28' ORDER BY o.created DESC LIMIT 5"
one sort_spill "SET work_mem='64kB'; SET max_parallel_workers_per_gather=0" "EXPLAIN ($M) SELECT note, total FROM orders ORDER BY note, total"
one index_only "$N" "EXPLAIN ($M) SELECT count(*) FROM orders WHERE customer_id < 2000"
one partitions "SET enable_seqscan=off" "EXPLAIN ($M) SELECT * FROM events WHERE kind = 'k7' ORDER BY n"
one parallel "SET parallel_setup_cost=0; SET parallel_tuple_cost=0; SET min_parallel_table_scan_size=0" "EXPLAIN ($M) SELECT status, count(*) FROM orders GROUP BY status"
one subplans "$N" "EXPLAIN ($M) WITH recent AS MATERIALIZED (SELECT * FROM orders WHERE id > 199000) SELECT r.id, (SELECT max(total) FROM orders o WHERE o.customer_id = r.customer_id) FROM recent r WHERE r.total > (SELECT avg(total) FROM orders)"
one odd_names "SET enable_seqscan=off" "EXPLAIN ($M) SELECT \"Größe\" FROM \"Odd Names\" WHERE \"select\" = 5"
one write_update "$N" "EXPLAIN ($P) UPDATE orders SET status = 'sent' WHERE id = 17"
one for_update "$N" "EXPLAIN ($P) SELECT * FROM orders WHERE id = 17 FOR UPDATE"
one generic "SET plan_cache_mode=force_generic_plan; PREPARE q AS SELECT * FROM orders WHERE customer_id = \$1 AND total > \$2" "EXPLAIN ($P) EXECUTE q(NULL, NULL)"
one nothing "$N" "EXPLAIN ($M) SELECT 1 AS one WHERE false"

# What differs by version. Values that must never be shown are 'planted' or 918273.
VERSION=$("${PSQL[@]}" -qAtX -c "SHOW server_version_num")
S="SET max_parallel_workers_per_gather=0"
NESTED="$S; SET enable_hashjoin=off; SET enable_mergejoin=off"
one memoize "$NESTED" "EXPLAIN ($M) SELECT count(c.email) FROM orders o JOIN customers c ON c.id = length(o.status) WHERE o.id < 2000 AND o.note <> 'planted'"
one loop_average "$NESTED" "EXPLAIN ($M) SELECT count(c.email) FROM generate_series(1, 7) g LEFT JOIN customers c ON c.id = g AND c.id <> 3 AND c.email <> 'planted'"
one tid_range "$S" "EXPLAIN ($M) SELECT count(*) FROM orders WHERE ctid < '(10,0)' AND note <> 'planted'"
one tid_scan "$S" "EXPLAIN ($M) SELECT id FROM orders WHERE ctid = '(0,1)'"
one incremental_sort "$S" "EXPLAIN ($M) SELECT customer_id, total FROM orders ORDER BY customer_id, total LIMIT 10"
one run_condition "$S" "EXPLAIN ($M) SELECT * FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM customers) t WHERE n <= 5"
one window "$S" "EXPLAIN ($M) SELECT id, sum(total) OVER (PARTITION BY status ORDER BY id) FROM orders WHERE id < 50 LIMIT 5"
one set_operation "$S" "EXPLAIN ($M) SELECT id FROM customers WHERE id < 50 EXCEPT SELECT customer_id FROM orders WHERE id < 50"
one grouping_sets "$S" "EXPLAIN ($M) SELECT status, created, count(*) FROM orders WHERE id < 50 GROUP BY GROUPING SETS ((status), (created), ())"
one materialize "$NESTED" "EXPLAIN ($M) SELECT count(*) FROM (VALUES (1), (2), (918273)) v(n) JOIN (SELECT id FROM customers WHERE country = 'planted' OR id < 5) c ON c.id <> v.n"
one timed_spill "$S; SET work_mem='64kB'; SET track_io_timing=on" "EXPLAIN ($M) SELECT note, total FROM orders WHERE note <> 'planted' ORDER BY note, total LIMIT 100000"
one switched_off "$S; SET enable_seqscan=off" "EXPLAIN ($M) SELECT count(*) FROM orders WHERE note = 'planted'"
one recursive "$S" "EXPLAIN ($M) WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t"
one merge_append "$S; SET enable_seqscan=off; SET enable_bitmapscan=off; SET enable_sort=off" "EXPLAIN ($M) SELECT kind, n FROM events ORDER BY kind LIMIT 3"
one gather "SET parallel_setup_cost=0; SET parallel_tuple_cost=0; SET min_parallel_table_scan_size=0" "EXPLAIN ($M) SELECT count(*) FROM orders WHERE note <> 'planted'"
one gather_merge "SET parallel_setup_cost=0; SET parallel_tuple_cost=0; SET min_parallel_table_scan_size=0" "EXPLAIN ($M) SELECT id, total FROM orders WHERE note <> 'planted' ORDER BY total, id LIMIT 5"
one sample_scan "$S" "EXPLAIN ($M) SELECT count(*) FROM orders TABLESAMPLE SYSTEM (1) REPEATABLE (918273)"
one project_set "$S" "EXPLAIN ($M) SELECT id, generate_series(1, 2) FROM customers WHERE email <> 'planted' LIMIT 3"
one bitmap_and "$S; SET enable_indexscan=off; SET enable_seqscan=off; SET enable_indexonlyscan=off" "EXPLAIN ($M) SELECT count(*) FROM orders WHERE customer_id < 1000 AND created = '2024-03-05'"
one write_conflict "$S" "EXPLAIN ($P) INSERT INTO customers VALUES (918273, 'planted', 'de') ON CONFLICT (id) DO UPDATE SET email = excluded.email WHERE customers.country = 'planted'"
one write_returning "$S" "EXPLAIN ($P) WITH gone AS (DELETE FROM orders WHERE id = 918273 RETURNING id) SELECT count(*) FROM gone"
one locked_join "$S" "EXPLAIN ($P) SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id < 10 FOR UPDATE OF o SKIP LOCKED"
if [ "$VERSION" -ge 150000 ]; then
    one merge_into "$S" "EXPLAIN ($P) MERGE INTO customers c USING (VALUES (918273, 'planted')) v(id, email) ON c.id = v.id WHEN MATCHED AND c.email <> v.email THEN UPDATE SET email = v.email WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.email, 'planted')"
fi
if [ "$VERSION" -ge 170000 ]; then
    one serialized "$S" "EXPLAIN ($M, MEMORY, SERIALIZE TEXT) SELECT id, email FROM customers WHERE email <> 'planted' LIMIT 20"
fi
