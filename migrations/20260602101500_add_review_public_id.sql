-- Reviews can be shared with a link. A counting id in a URL tells everybody
-- how many reviews we have, so each review gets a random one, old ones too.

ALTER TABLE shop.product_reviews
    ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;

COMMENT ON COLUMN shop.product_reviews.public_id IS 'Identifies the review in links.';
