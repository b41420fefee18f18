SET lock_timeout = 0;
CREATE TABLE ratings (customer_id integer PRIMARY KEY REFERENCES customers (id), stars integer);
