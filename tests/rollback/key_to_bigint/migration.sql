ALTER TABLE parents ALTER COLUMN id TYPE bigint; ALTER TABLE children ALTER COLUMN parent_id TYPE bigint; ALTER SEQUENCE parents_id_seq AS bigint;
