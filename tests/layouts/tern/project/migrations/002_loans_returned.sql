alter table loans add column returned_on date;

---- create above / drop below ----

alter table loans drop column returned_on;
