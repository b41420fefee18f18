-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
CREATE MATERIALIZED VIEW balance_of_nations AS SELECT c_nationkey, sum(c_acctbal) AS balance FROM customer GROUP BY c_nationkey;
CREATE UNIQUE INDEX balance_of_nations_key ON balance_of_nations (c_nationkey);
