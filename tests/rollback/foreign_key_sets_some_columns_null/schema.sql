CREATE TABLE tenants (id int, n int, PRIMARY KEY (id, n)); INSERT INTO tenants VALUES (1, 1), (1, 2);
CREATE TABLE rows_of (id int PRIMARY KEY, tenant int NOT NULL, n int, CONSTRAINT rows_of_tenant FOREIGN KEY (tenant, n) REFERENCES tenants ON DELETE SET NULL (n)); INSERT INTO rows_of VALUES (1, 1, 1), (2, 1, 2);
