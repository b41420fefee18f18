#!/bin/bash
# Captures the pairs of plans of `pairs/` anew. Usage: capture_pairs.sh OUTPUT_DIRECTORY PSQL_ARGUMENTS...
# The database must have been filled with shop.sql; the server runs with jit=off and synchronize_seqscans=off.
# Each pair is one query before and after a change, in a transaction that is rolled back.
out=$1; shift
PSQL=("$@")
mkdir -p "$out"
# Arguments: name, settings and preparation, query, change, query after (the same when left out).
pair() {
  local explain="EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON, VERBOSE, SETTINGS)"
  "${PSQL[@]}" -qAtX -v ON_ERROR_STOP=1 <<SQL || exit 1
SET plan_cache_mode = force_custom_plan;
SET max_parallel_workers_per_gather = 0;
BEGIN;
$2;
\\o /dev/null
$explain $3;
\\o $out/$1.before.raw
$explain $3;
\\o
$4;
\\o /dev/null
$explain ${5:-$3};
\\o $out/$1.after.raw
$explain ${5:-$3};
\\o
ROLLBACK;
SQL
  for side in before after; do
    # One line each, without the target lists.
    tr -d '\n' < "$out/$1.$side.raw" | tr -s ' ' | sed 's/"Output": \[[^]]*\], //g' > "$out/$1.$side.json"
    rm "$out/$1.$side.raw"
  done
}
JOIN="SELECT c.email, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.country = 'de' AND o.status = 'open'"
pair join_turned_round "SET enable_nestloop = off; SET enable_mergejoin = off; CREATE TABLE small AS SELECT g AS id, 'n' || g AS name FROM generate_series(1, 500) g; ANALYZE small" \
  "SELECT s.name, c.email FROM small s JOIN customers c ON c.id = s.id" \
  "INSERT INTO small SELECT g, 'n' || g FROM generate_series(501, 60000) g; ANALYZE small"
pair hash_join_becomes_nested_loop "SET enable_hashjoin = on" \
  "$JOIN" "SET enable_hashjoin = off; SET enable_mergejoin = off"
pair sort_added "CREATE INDEX by_created_total ON orders (created, total); DROP INDEX orders_created_idx; SET enable_bitmapscan = off" \
  "SELECT id, created FROM orders WHERE created > '2025-11-20' ORDER BY created, total LIMIT 20" "DROP INDEX by_created_total"
pair index_only_scan_lost "SET enable_seqscan = off" \
  "SELECT count(*) FROM orders WHERE customer_id < 2000" "SET enable_indexonlyscan = off; SET enable_bitmapscan = off"
pair bitmap_or_lost "SET enable_seqscan = on" \
  "SELECT * FROM orders o WHERE o.customer_id = 7 OR o.created = '2024-03-05'" "DROP INDEX orders_created_idx"
pair partitions_pruned "DROP INDEX events_kind_idx" \
  "SELECT count(*) FROM events WHERE kind = 'k7'" "SELECT 1" "SELECT count(*) FROM events WHERE kind = 'k7' AND at < '2024-06-01'"
pair parallel_added "SET work_mem = '8MB'" \
  "SELECT status, count(*) FROM orders GROUP BY status" \
  "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off"
pair cte_and_subplans "SET work_mem = '8MB'" \
  "WITH recent AS MATERIALIZED (SELECT * FROM orders WHERE id > 199900) SELECT r.id, (SELECT max(total) FROM orders o WHERE o.customer_id = r.customer_id) FROM recent r WHERE r.total > (SELECT avg(total) FROM orders WHERE id < 1000)" \
  "DROP INDEX orders_customer_id_idx"
pair memoize_added "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off; CREATE TABLE visits AS SELECT 1 + g % 20 AS customer_id FROM generate_series(1, 5000) g; ANALYZE visits" \
  "SELECT c.email FROM visits v JOIN customers c ON c.id = v.customer_id" "SET enable_memoize = on"
pair union "SET work_mem = '8MB'" \
  "SELECT id FROM orders WHERE customer_id = 5 UNION ALL SELECT id FROM orders WHERE id = 9 UNION ALL SELECT id FROM customers WHERE id = 3" \
  "DROP INDEX orders_customer_id_idx"
pair table_renamed_behind_a_view "SET work_mem = '8MB'" "$JOIN" \
  "ALTER TABLE orders RENAME TO purchases; CREATE VIEW orders AS SELECT * FROM purchases"
pair column_renamed_behind_a_view "SET enable_seqscan = off" \
  "SELECT o.id FROM orders o WHERE o.customer_id = 5 AND o.status <> 'open' ORDER BY o.total" \
  "ALTER TABLE orders RENAME TO purchases; ALTER TABLE purchases RENAME customer_id TO client_id; ALTER TABLE purchases RENAME total TO amount; CREATE VIEW orders AS SELECT id, client_id AS customer_id, status, amount AS total FROM purchases"
pair index_renamed "SET enable_seqscan = off" \
  "SELECT id FROM orders WHERE customer_id = 5" "ALTER INDEX orders_customer_id_idx RENAME TO by_client"
pair index_used_otherwise "SET enable_seqscan = off; SET enable_bitmapscan = off" \
  "SELECT id FROM orders WHERE customer_id = 5 AND status = 'open'" \
  "DROP INDEX orders_customer_id_idx; CREATE INDEX orders_customer_id_idx ON orders (customer_id, status)"
pair type_changed_to_bigint "SET enable_seqscan = off; SET enable_bitmapscan = off; CREATE STATISTICS s ON customer_id, status FROM orders" \
  "SELECT id FROM orders WHERE customer_id = 5 AND customer_id IN (5, 6, 7)" "ALTER TABLE orders ALTER customer_id TYPE bigint; ANALYZE orders"
pair type_changed_to_varchar "CREATE INDEX by_status ON orders (status, customer_id) WHERE status <> 'open'; SET enable_seqscan = off; SET enable_bitmapscan = off" \
  "SELECT id FROM orders WHERE status = 'sent' AND customer_id IN (5, 6, 7)" "ALTER TABLE orders ALTER status TYPE varchar(20)"
pair cast_makes_the_index_useless "SET enable_bitmapscan = off" \
  "SELECT id FROM orders WHERE customer_id = 5" "SELECT 1" "SELECT id FROM orders WHERE customer_id = 5.0"
