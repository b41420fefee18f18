CREATE TABLE plans (name text PRIMARY KEY, price integer NOT NULL, seen boolean NOT NULL DEFAULT false);
INSERT INTO plans VALUES ('free', 0), ('team', 20), ('firm', 90);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := true; RETURN NEW; END $$;
CREATE TRIGGER see BEFORE INSERT ON plans FOR EACH ROW EXECUTE FUNCTION see();
