ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY gone ON orders AS RESTRICTIVE FOR UPDATE TO writer, reader USING (amount > 1) WITH CHECK (note <> '');
CREATE POLICY changed ON orders USING (amount > 3); CREATE POLICY named ON orders FOR INSERT WITH CHECK (true);
