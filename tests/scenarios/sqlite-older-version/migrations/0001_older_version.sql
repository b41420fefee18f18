ALTER TABLE notices RENAME COLUMN body TO message;
