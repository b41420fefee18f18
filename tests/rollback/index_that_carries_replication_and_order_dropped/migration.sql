DROP INDEX marked_id; DROP INDEX marked_v;
