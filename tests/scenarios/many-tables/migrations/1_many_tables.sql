ALTER TABLE articles ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE brands ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE colours ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE designers ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE editions ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE fabrics ADD COLUMN archived boolean NOT NULL DEFAULT false;
