DO $$ BEGIN UPDATE countries SET name = upper(name); UPDATE currencies SET name = upper(name); END $$;
