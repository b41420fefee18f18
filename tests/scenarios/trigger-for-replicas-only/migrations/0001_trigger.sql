ALTER TABLE payments ENABLE REPLICA TRIGGER payments_amount;
