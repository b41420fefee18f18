-- no-transaction
CALL tidy();
DROP PROCEDURE tidy();
