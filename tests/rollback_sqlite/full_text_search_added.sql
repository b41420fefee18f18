-- verdict: exact
-- migration
CREATE VIRTUAL TABLE found USING fts5(note, content='orders', content_rowid='id');
INSERT INTO found(found) VALUES ('rebuild');
CREATE TRIGGER found_in AFTER INSERT ON orders BEGIN INSERT INTO found(rowid, note) VALUES (new.id, new.note); END;
