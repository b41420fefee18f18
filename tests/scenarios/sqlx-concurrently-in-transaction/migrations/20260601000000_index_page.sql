CREATE INDEX CONCURRENTLY visits_page_idx ON visits (page);
