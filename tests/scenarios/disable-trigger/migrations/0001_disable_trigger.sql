ALTER TABLE payments DISABLE TRIGGER payments_amount;
