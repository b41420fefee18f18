ALTER TABLE child DROP CONSTRAINT child_parent;
ALTER TABLE parent DROP CONSTRAINT parent_pkey;
