-- no-transaction
ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad';
ALTER TYPE mood RENAME VALUE 'happy' TO 'glad';
