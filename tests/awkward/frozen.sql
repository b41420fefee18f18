-- In the order of pg_dump: event triggers after everything they could disturb, materialized views last.
CREATE ROLE app;
CREATE TABLE notes (id int PRIMARY KEY, note text);
CREATE TABLE ddl_log (id serial PRIMARY KEY, tag text);
INSERT INTO notes SELECT g, 'n' FROM generate_series(1, 1000) AS g;
ALTER TABLE notes OWNER TO app;
ALTER TABLE ddl_log OWNER TO app;
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM notes WITH NO DATA;
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.ddl_log (tag) VALUES (tg_tag); END $$;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the schema stays as it is'; END $$;
CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log_ddl();
CREATE EVENT TRIGGER refuse_drops ON ddl_command_end WHEN tag IN ('DROP TABLE', 'REFRESH MATERIALIZED VIEW', 'GRANT', 'ALTER TABLE', 'ALTER FUNCTION')
    EXECUTE FUNCTION refuse();
CREATE EVENT TRIGGER asleep ON ddl_command_end EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER asleep DISABLE;
REFRESH MATERIALIZED VIEW counts;
