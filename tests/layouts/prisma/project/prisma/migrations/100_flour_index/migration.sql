CREATE INDEX CONCURRENTLY "Loaf_flour_idx" ON "Loaf"("flour");
