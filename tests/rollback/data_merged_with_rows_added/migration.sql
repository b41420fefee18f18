MERGE INTO stock s USING arrivals x ON s.id = x.id WHEN MATCHED THEN UPDATE SET n = s.n + x.n WHEN NOT MATCHED THEN INSERT VALUES (x.id, x.n, 'new');
