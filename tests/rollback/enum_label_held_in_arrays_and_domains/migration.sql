-- no-transaction
ALTER TYPE size ADD VALUE 'm' AFTER 's'; ALTER TYPE size RENAME VALUE 'l' TO 'large';
