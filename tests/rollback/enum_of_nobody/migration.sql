ALTER TYPE mood ADD VALUE 'calm';
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
