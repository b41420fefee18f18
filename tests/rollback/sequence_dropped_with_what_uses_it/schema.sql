CREATE SEQUENCE "Ticket №" AS smallint INCREMENT BY -2 MINVALUE -1000 MAXVALUE 500 START 400 CACHE 4 CYCLE; SELECT nextval('"Ticket №"'), nextval('"Ticket №"');
CREATE TABLE tickets (id smallint DEFAULT nextval('"Ticket №"'), v text); GRANT USAGE ON SEQUENCE "Ticket №" TO reader; COMMENT ON SEQUENCE "Ticket №" IS 'down';
