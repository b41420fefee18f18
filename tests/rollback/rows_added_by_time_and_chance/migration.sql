INSERT INTO users (email, created) VALUES ('root', now());
INSERT INTO tokens (name) VALUES ('x'), ('x'), ('z');
INSERT INTO audit (at, what) VALUES (now(), 'migrated');
