ALTER TABLE visits ADD CONSTRAINT visits_page_known CHECK (page <> '') NOT VALID;
ALTER TABLE visits VALIDATE CONSTRAINT visits_page_known;
