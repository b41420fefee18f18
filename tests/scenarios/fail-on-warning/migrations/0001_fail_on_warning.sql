ALTER TABLE payments RENAME TO charges;
