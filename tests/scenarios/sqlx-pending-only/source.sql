CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout = '5s';
GRANT CREATE ON SCHEMA public TO app;

-- As the first migration left it, and filled since.
CREATE TABLE public.visits (id integer PRIMARY KEY, page text NOT NULL);
INSERT INTO public.visits SELECT n, '/page/' || n % 100 FROM generate_series(1, 12000) AS n;

CREATE TABLE public._sqlx_migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
INSERT INTO public._sqlx_migrations VALUES
    (20260501000000, 'create visits', '2026-05-01 00:00:00+00', true, '\xceefbee1d22281a98747230ec2632084ae45483df2ae78d063da22866b04f9b31eef458fd7d49fd6f6a6e6d99dd42dd5', 1000);
ALTER TABLE public.visits OWNER TO app;
ALTER TABLE public._sqlx_migrations OWNER TO app;
