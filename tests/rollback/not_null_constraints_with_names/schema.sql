CREATE TABLE strict (id int CONSTRAINT "must have one" NOT NULL, a int CONSTRAINT a_there NOT NULL NO INHERIT, b int, c int CONSTRAINT c_there NOT NULL);
INSERT INTO strict VALUES (1, 1, NULL, 1); ALTER TABLE strict ADD CONSTRAINT b_there NOT NULL b NOT VALID; COMMENT ON CONSTRAINT a_there ON strict IS 'named';
