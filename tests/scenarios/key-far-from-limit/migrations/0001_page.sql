ALTER TABLE pages ADD COLUMN slug text;
CREATE TABLE links (page_id bigint PRIMARY KEY REFERENCES pages (id));
