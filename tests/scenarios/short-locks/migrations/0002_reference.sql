CREATE TABLE ratings (customer_id integer PRIMARY KEY REFERENCES customers (id), stars integer);
