DROP INDEX shelves_room_idx;
