-- Two people complained that they get the newsletter twice. The sign-up form
-- checks for known addresses, from now on the database does as well.

ALTER TABLE shop.newsletter_subscribers ADD COLUMN confirmed_at timestamp with time zone;

COMMENT ON COLUMN shop.newsletter_subscribers.confirmed_at IS 'When the link in the welcome mail was followed.';

ALTER TABLE shop.newsletter_subscribers
    ADD CONSTRAINT newsletter_subscribers_email_key UNIQUE (email);
