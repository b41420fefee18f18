ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';
ALTER TABLE orders ADD COLUMN imported_at timestamp with time zone NOT NULL DEFAULT now();
