SET lock_timeout = 0;
ALTER TABLE payments REPLICA IDENTITY FULL;
