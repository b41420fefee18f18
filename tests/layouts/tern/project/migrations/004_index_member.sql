---- tern: disable-tx ----

create index concurrently loans_member_idx on loans(member);

---- create above / drop below ----

---- tern: disable-tx ----

drop index concurrently loans_member_idx;
