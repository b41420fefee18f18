CREATE VIEW deep_berths AS SELECT id, pier FROM berths WHERE depth_m > 5;
