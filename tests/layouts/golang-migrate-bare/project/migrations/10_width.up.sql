ALTER TABLE shelves ADD COLUMN width integer;
CREATE INDEX shelves_room_idx ON shelves (room);
