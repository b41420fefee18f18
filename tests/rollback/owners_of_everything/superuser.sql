GRANT CREATE ON DATABASE "base_owners_of_everything" TO archivist;
