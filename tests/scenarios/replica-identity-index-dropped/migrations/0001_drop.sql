DROP INDEX visits_page_key;
