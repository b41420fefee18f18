--liquibase formatted sql

--property name:reader value:tally

--changeset ada:create-tallies labels:base context:all
--comment: what is counted
CREATE TABLE tallies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    species text NOT NULL,
    seen integer NOT NULL
);
--rollback DROP TABLE tallies;

--changeset ada:add-place
ALTER TABLE tallies ADD COLUMN place text;
COMMENT ON COLUMN tallies.place IS 'where; by ${reader}';
/* liquibase rollback
ALTER TABLE tallies DROP COLUMN place;
*/

--changeset ada:summary runOnChange:true splitStatements:false
CREATE OR REPLACE FUNCTION seen_of(wanted text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT sum(seen) FROM tallies WHERE species = wanted);
END
$$;
--rollback DROP FUNCTION seen_of(text);

--changeset ada:index-place runInTransaction:false
CREATE INDEX CONCURRENTLY tallies_place_idx ON tallies (place);
--rollback DROP INDEX CONCURRENTLY tallies_place_idx;

--changeset ada:trigger endDelimiter:/
CREATE FUNCTION note_sight() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := NEW.seen + 0; RETURN NEW; END $$
/
CREATE TRIGGER sight BEFORE INSERT ON tallies FOR EACH ROW EXECUTE FUNCTION note_sight()
/
--rollback DROP TRIGGER sight ON tallies; DROP FUNCTION note_sight();

--changeset ada:h2only dbms:h2
SELECT 1;
