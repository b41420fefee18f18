CREATE TYPE status AS ENUM ('new', 'paid');
ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
ALTER TABLE orders ALTER COLUMN status TYPE status USING status::status;
ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';
