CREATE TABLE prices (product text NOT NULL, version integer NOT NULL, newest boolean NOT NULL, PRIMARY KEY (product, version));
INSERT INTO prices VALUES ('tea', 1, false), ('tea', 2, true), ('ink', 1, true);
CREATE FUNCTION retire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE prices SET newest = false WHERE product = NEW.product AND newest; RETURN NEW; END $$;
CREATE TRIGGER retire BEFORE INSERT ON prices FOR EACH ROW EXECUTE FUNCTION retire();
