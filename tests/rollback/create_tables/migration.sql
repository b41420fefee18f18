CREATE TABLE tags (id serial PRIMARY KEY, name text UNIQUE, parent_id int REFERENCES tags);
CREATE TABLE order_tags (order_id bigint REFERENCES orders, tag_id int REFERENCES tags, PRIMARY KEY (order_id, tag_id));
ALTER TABLE tags ADD COLUMN best_order bigint, ADD COLUMN best_tag int;
ALTER TABLE tags ADD FOREIGN KEY (best_order, best_tag) REFERENCES order_tags;
INSERT INTO tags (name) VALUES ('one');
CREATE VIEW tagged AS SELECT * FROM order_tags JOIN tags ON tags.id = tag_id;
CREATE INDEX ON order_tags (tag_id);
