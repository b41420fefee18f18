-- Gift cards come with the next release. First the place to write them down.

CREATE TABLE gift_cards (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    balance_cents INTEGER NOT NULL CHECK (balance_cents >= 0)
) STRICT;

ALTER TABLE products ADD COLUMN is_gift_card INTEGER NOT NULL DEFAULT 0;
