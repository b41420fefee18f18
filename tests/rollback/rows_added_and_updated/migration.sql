ALTER TABLE countries ADD COLUMN eu boolean;
UPDATE countries SET eu = true WHERE code = 'DE';
INSERT INTO countries (code, name, eu) VALUES ('IT', 'Italy', true), ('CH', 'Switzerland', false);
UPDATE countries SET name = upper(name), pop = 9 WHERE pop IS NULL;
DELETE FROM countries WHERE name = 'SWITZERLAND';
