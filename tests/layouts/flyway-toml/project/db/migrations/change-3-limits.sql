-- ${flyway:filename}
ALTER TABLE boats ADD COLUMN seats int DEFAULT ${limit};
GRANT SELECT ON ${flyway:defaultSchema}.boats TO ${reader};
