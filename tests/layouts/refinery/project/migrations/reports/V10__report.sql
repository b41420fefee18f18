CREATE VIEW reports AS SELECT place, watts FROM lamps;
