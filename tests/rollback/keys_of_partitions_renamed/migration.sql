ALTER INDEX part_pkey RENAME TO old_key;
ALTER INDEX part_note_idx RENAME TO old_notes;
ALTER TABLE part RENAME CONSTRAINT known TO old_known;
ALTER TABLE whole RENAME CONSTRAINT whole_pkey TO the_key;
