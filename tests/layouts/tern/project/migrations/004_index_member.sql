---- tern: disable-tx ----

create index concurrently loans_member_idx on loans(member);

---- create above / drop below ----

drop index concurrently loans_member_idx;
