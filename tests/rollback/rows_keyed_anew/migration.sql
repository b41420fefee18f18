UPDATE customers SET id = id + 1000, name = upper(name) WHERE id > 10;
