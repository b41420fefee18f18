ALTER TABLE rows_of DROP CONSTRAINT rows_of_tenant;
ALTER TABLE rows_of ADD CONSTRAINT rows_of_tenant FOREIGN KEY (tenant, n) REFERENCES tenants ON DELETE CASCADE;
