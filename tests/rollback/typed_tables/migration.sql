ALTER TABLE typed NOT OF;
ALTER TABLE plain OF person;
CREATE TABLE another OF person;
