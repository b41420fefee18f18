INSERT INTO countries SELECT x.code, x.name FROM (VALUES ('AT', 'Austria'), ('DE', 'Germany')) AS x (code, name) WHERE code NOT IN (SELECT code FROM countries);
INSERT INTO countries VALUES ('FX', 'France'), ('IT', 'Italy') ON CONFLICT DO NOTHING;
INSERT INTO users (email, name) SELECT 'bot' || g, 'b' FROM generate_series(1, 3) AS g WHERE NOT EXISTS (SELECT 1 FROM users WHERE email = 'bot' || g);
INSERT INTO users (email) VALUES ('ann'), ('joe') ON CONFLICT (email) DO NOTHING;
