-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
CREATE INDEX CONCURRENTLY people_last_pattern_idx ON people ("nameLast" text_pattern_ops);
