ALTER TYPE payment_method ADD VALUE 'cash';
UPDATE payments SET method = 'cash' WHERE id = 1;
