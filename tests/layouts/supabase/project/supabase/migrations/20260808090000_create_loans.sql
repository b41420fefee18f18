-- Who has what.
create schema desk;
create table desk.loans (
    id bigint generated always as identity primary key,
    reader_id bigint not null references public.readers,
    due_on date not null
);
alter table desk.loans enable row level security;
