ALTER TABLE log RENAME TO journal; ALTER TABLE journal RENAME COLUMN what TO message; UPDATE journal SET message = upper(message) WHERE n > 5;
