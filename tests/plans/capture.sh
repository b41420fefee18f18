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
