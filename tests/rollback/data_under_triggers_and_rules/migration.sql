UPDATE accounts SET balance = balance + 1 WHERE id > 5; DELETE FROM audit WHERE id > 0;
