-- verdict: restored_from_backup
-- loses: main.customers 3
-- migration
UPDATE customers SET email = CASE email WHEN 'a@x' THEN 'z@x' ELSE email || 'x' END;
