DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO archivist', current_database()); END $$;
