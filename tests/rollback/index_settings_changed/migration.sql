ALTER INDEX "Log, by day" SET (fillfactor = 40); ALTER INDEX "Log, by day" RENAME TO logs_at; ALTER INDEX logs_v SET (deduplicate_items = off); ALTER INDEX logs_v ALTER COLUMN 1 SET STATISTICS 9;
ALTER TABLE logs SET WITHOUT CLUSTER; ALTER TABLE logs REPLICA IDENTITY NOTHING; REINDEX INDEX logs_v; CREATE INDEX ON logs (v, at); COMMENT ON INDEX logs_id IS 'now said';
