INSERT INTO customers (email) VALUES ('x@example.test'), ('y@example.test') ON CONFLICT DO NOTHING;
