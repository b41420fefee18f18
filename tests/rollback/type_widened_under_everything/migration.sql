DROP VIEW more; DROP VIEW logins; DROP POLICY own ON users; DROP TRIGGER on_login ON users; DROP RULE ruled ON users; DROP STATISTICS users_stat;
ALTER TABLE users DROP COLUMN shout;
ALTER TABLE users ALTER COLUMN login TYPE text, ALTER COLUMN kind TYPE text;
ALTER TABLE users ADD COLUMN shout text GENERATED ALWAYS AS (upper(login)) STORED;
CREATE POLICY own ON users USING (login = current_user); CREATE TRIGGER on_login BEFORE UPDATE OF login ON users FOR EACH ROW WHEN (NEW.login <> OLD.login) EXECUTE FUNCTION touch();
CREATE VIEW logins AS SELECT login, login || '@x' AS address FROM users;
