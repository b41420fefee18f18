CREATE VIEW notes AS SELECT id, upper(note) AS note FROM orders WHERE note IS NOT NULL;
COMMENT ON VIEW notes IS 'loud notes';
GRANT SELECT ON notes TO reader;
CREATE MATERIALIZED VIEW note_lengths AS SELECT id, length(note) AS letters FROM notes;
CREATE UNIQUE INDEX note_lengths_id ON note_lengths (id);
CREATE INDEX orders_note_idx ON orders (lower(note)) WHERE note IS NOT NULL;
COMMENT ON COLUMN orders.note IS 'what the customer said';
ALTER TABLE orders ALTER COLUMN note SET STATISTICS 500, ALTER COLUMN note SET STORAGE EXTERNAL;
GRANT UPDATE (note) ON orders TO writer;
