INSERT INTO seats VALUES (3, 'A1', true), (4, 'A2', true) ON CONFLICT DO NOTHING;
