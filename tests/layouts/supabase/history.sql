CREATE TABLE public.readers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);
CREATE SCHEMA desk;
CREATE TABLE desk.loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reader_id bigint NOT NULL REFERENCES public.readers,
    due_on date NOT NULL
);
ALTER TABLE desk.loans ENABLE ROW LEVEL SECURITY;
INSERT INTO public.readers (name) SELECT 'Reader ' || n FROM generate_series(1, 200) AS n;
INSERT INTO desk.loans (reader_id, due_on)
SELECT 1 + n % 200, date '2026-09-01' + n % 60 FROM generate_series(1, 800) AS n;

CREATE SCHEMA auth;
CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
INSERT INTO auth.schema_migrations VALUES ('00'), ('20210710035447');

CREATE SCHEMA supabase_migrations;
CREATE TABLE supabase_migrations.schema_migrations (
    version text NOT NULL,
    statements text[],
    name text
);
INSERT INTO supabase_migrations.schema_migrations VALUES ('20260801090000', '{"create table public.readers (
    id bigint generated always as identity primary key,
    name text not null
)"}', 'create_readers');
INSERT INTO supabase_migrations.schema_migrations VALUES ('20260808090000', '{"-- Who has what.
create schema desk","create table desk.loans (
    id bigint generated always as identity primary key,
    reader_id bigint not null references public.readers,
    due_on date not null
)","alter table desk.loans enable row level security"}', 'create_loans');
ALTER TABLE ONLY supabase_migrations.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
