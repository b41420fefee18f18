-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
CREATE INDEX CONCURRENTLY customer_name_idx ON customer (c_name text_pattern_ops);
