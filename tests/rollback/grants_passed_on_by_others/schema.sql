CREATE TABLE t (id int, v text); GRANT SELECT ON t TO archivist WITH GRANT OPTION; SET ROLE archivist; GRANT SELECT ON t TO stranger; RESET ROLE;
