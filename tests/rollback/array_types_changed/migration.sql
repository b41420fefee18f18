ALTER TABLE lists ALTER numbers TYPE bigint[], ALTER words TYPE text[];
ALTER TABLE lists ALTER moods DROP DEFAULT, ALTER moods TYPE text[] USING moods::text[];
