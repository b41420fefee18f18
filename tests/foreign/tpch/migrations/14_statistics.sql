-- expect: applies yes, blocks no, undoable yes
-- find:
ALTER TABLE lineitem ALTER COLUMN l_partkey SET STATISTICS 1000;
ANALYZE lineitem (l_partkey);
CREATE STATISTICS lineitem_part_supplier (dependencies, ndistinct) ON l_partkey, l_suppkey FROM lineitem;
ANALYZE lineitem (l_partkey, l_suppkey);
