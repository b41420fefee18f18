create table loans(
    id bigint generated always as identity primary key,
    member text not null,
    lent_on date not null
);

---- create above / drop below ----

drop table loans;
