DROP INDEX letters_customer_id_idx;
DROP INDEX orders_customer_id_idx;
