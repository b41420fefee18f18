-- verdict: restored_from_backup
-- loses: main."group".ordér 1
-- loses: main."we""ird [t] 'x'".sel ect 1
-- own schema
CREATE TABLE "we""ird [t] 'x'" (id INTEGER PRIMARY KEY, "sel ect" TEXT, "a]b" TEXT);
CREATE TABLE [group] ("ordér" INT, "from" TEXT);
INSERT INTO "we""ird [t] 'x'" VALUES (1, 'a', 'b');
INSERT INTO [group] VALUES (1, 'x');
CREATE INDEX "in'dex" ON [group] ("from");
-- migration
ALTER TABLE "we""ird [t] 'x'" DROP COLUMN "sel ect";
UPDATE [group] SET "ordér" = 2;
ALTER TABLE [group] RENAME TO `Straße`;
