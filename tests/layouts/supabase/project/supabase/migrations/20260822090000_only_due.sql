-- pg-delta: transaction=false
create index concurrently loans_due_on_idx on public.loans (due_on);
-- that is all
