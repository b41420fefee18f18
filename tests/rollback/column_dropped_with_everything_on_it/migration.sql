ALTER TABLE people DROP COLUMN "Größe, ""cm""" CASCADE;
