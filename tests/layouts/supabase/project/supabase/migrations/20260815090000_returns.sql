set search_path to desk;
alter table loans add column returned_on date;
comment on column loans.returned_on is 'null while the book is out; set by the desk';
create index concurrently loans_out_idx on loans (reader_id) where returned_on is null;
