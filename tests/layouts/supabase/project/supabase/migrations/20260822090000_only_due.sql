-- pg-delta: transaction=false
create index concurrently loans_due_on_idx on desk.loans (due_on);
-- that is all
