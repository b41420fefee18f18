alter table public.loans add column returned_on date;
comment on column public.loans.returned_on is 'null while the book is out; set by the desk';
create index concurrently loans_out_idx on public.loans (reader_id) where returned_on is null;
