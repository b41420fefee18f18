CREATE OR REPLACE VIEW manned AS SELECT boats.name, seats FROM boats JOIN crews ON boat = boats.id;
