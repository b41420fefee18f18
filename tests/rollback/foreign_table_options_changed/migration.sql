ALTER FOREIGN TABLE remote OPTIONS (SET table_name 'other', DROP batch, ADD fetch '1'); ALTER FOREIGN TABLE remote ALTER id OPTIONS (SET column_name 'id'); ALTER SERVER far RENAME TO farther;
