CREATE DOMAIN nickname AS text;
ALTER TABLE people ADD COLUMN nickname nickname;
