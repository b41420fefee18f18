-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
ALTER TYPE hand ADD VALUE IF NOT EXISTS 'U' AFTER 'S';
