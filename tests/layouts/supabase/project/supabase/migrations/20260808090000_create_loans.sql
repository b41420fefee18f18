-- Who has what.
create table public.loans (
    id bigint generated always as identity primary key,
    reader_id bigint not null references public.readers,
    due_on date not null
);
alter table public.loans enable row level security;
