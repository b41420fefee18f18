SET lock_timeout = '5s';
CREATE INDEX CONCURRENTLY "Loaf_flour_idx" ON "Loaf"("flour");
