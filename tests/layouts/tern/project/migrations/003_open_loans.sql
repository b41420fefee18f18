create view open_loans as
select id, member, lent_on
from loans
where returned_on is null;

grant select on open_loans to {{.reader}};

---- create above / drop below ----

drop view open_loans;
