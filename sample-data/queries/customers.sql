-- Sign-in and the account pages.

-- name: GetCustomerByEmail :one
-- owner: team-accounts
-- expect: at most one row
-- weight: 900
-- max_buffers: 20
-- params known: $1 = 'kees.maes3@example.org'
-- params unknown: $1 = 'nobody@example.com'
SELECT id, full_name, phone, country, loyalty_tier
FROM shop.customers
WHERE email = $1;

-- name: ListCustomerAddresses :many
-- owner: team-accounts
-- expect: rows
-- weight: 240
-- params hotel: $1 = 7
-- params one_address: $1 = 51234
SELECT id, label, street, postal_code, city, country, is_default
FROM shop.addresses
WHERE customer_id = $1
ORDER BY is_default DESC, label, id;
