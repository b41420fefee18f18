-- verdict: restored_from_backup
-- loses: main.docs 2
-- own schema
CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE search USING fts5(body, content='docs', content_rowid='id');
CREATE TRIGGER docs_up AFTER UPDATE ON docs BEGIN
    INSERT INTO search(search, rowid, body) VALUES ('delete', old.id, old.body);
    INSERT INTO search(rowid, body) VALUES (new.id, new.body);
END;
INSERT INTO docs VALUES (1, 'one'), (2, 'two');
INSERT INTO search(search) VALUES ('rebuild');
-- migration
UPDATE docs SET body = 'new ' || body;
