-- expect: applies yes, blocks no, slower no, undoable with_backup
-- find:
-- Franchises that changed their names, and two nobody had.
MERGE INTO teams_franchises f
USING (VALUES ('CLE', 'Cleveland Guardians', 'Y'), ('LVA', 'Las Vegas Athletics', 'N'), ('NAS', 'Nashville Stars', 'N')) AS n (id, name, active)
ON f."franchID" = n.id
WHEN MATCHED THEN UPDATE SET "franchName" = n.name
WHEN NOT MATCHED THEN INSERT ("franchID", "franchName", active) VALUES (n.id, n.name, n.active);
