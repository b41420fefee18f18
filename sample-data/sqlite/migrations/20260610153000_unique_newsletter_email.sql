-- Two people complained that they get the newsletter twice.

CREATE UNIQUE INDEX newsletter_subscribers_email_idx ON newsletter_subscribers (email);
