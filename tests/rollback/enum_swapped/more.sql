CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE people (id serial PRIMARY KEY, mood mood NOT NULL DEFAULT 'sad');
INSERT INTO people (mood) SELECT CASE WHEN i % 2 = 0 THEN 'sad' ELSE 'happy' END::mood FROM generate_series(1, 40) i;
