INSERT INTO roles (name) VALUES ('auditor');
INSERT INTO permissions (name) VALUES ('read');
INSERT INTO role_permissions SELECT r.id, p.id FROM roles r, permissions p WHERE r.name = 'auditor' AND p.name = 'read';
