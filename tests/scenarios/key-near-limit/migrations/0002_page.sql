CREATE TABLE links (page_id integer PRIMARY KEY REFERENCES pages (id));
