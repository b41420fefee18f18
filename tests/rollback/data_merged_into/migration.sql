MERGE INTO stock s USING (SELECT o.id, a.n FROM stock o LEFT JOIN arrivals a ON o.id = a.id) x ON s.id = x.id WHEN MATCHED AND x.n IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.n + x.n;
