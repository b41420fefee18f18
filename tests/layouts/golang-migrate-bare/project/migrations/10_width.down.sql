DROP INDEX shelves_room_idx;
ALTER TABLE shelves DROP COLUMN width;
