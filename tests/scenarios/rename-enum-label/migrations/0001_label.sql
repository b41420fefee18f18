ALTER TYPE payment_method RENAME VALUE 'card' TO 'credit_card';
