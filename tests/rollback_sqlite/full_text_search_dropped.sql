-- verdict: restored_from_backup
-- loses: main.notes 2
-- own schema
CREATE VIRTUAL TABLE notes USING fts5(title, body);
INSERT INTO notes (rowid, title, body) VALUES (5, 'a', 'b c'), (9, 'd', 'e');
-- migration
DROP TABLE notes;
