INSERT INTO countries VALUES ('IT', 'Italy'), ('DE', 'Deutschland') ON CONFLICT (code) DO UPDATE SET name = EXCLUDED.name;
