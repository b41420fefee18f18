ALTER TABLE things DROP CONSTRAINT things_kind, DROP CONSTRAINT things_name; DELETE FROM kinds WHERE id < 3;
