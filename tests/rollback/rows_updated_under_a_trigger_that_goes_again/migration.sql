INSERT INTO plans (name) VALUES ('team');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := OLD.at + 1; RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION touch();
UPDATE accounts SET state = 'old' WHERE id > 5;
DROP TRIGGER touched ON accounts;
DROP FUNCTION touch();
