CREATE OR REPLACE VIEW long_berths AS SELECT id, pier FROM berths WHERE length_m > 20;
