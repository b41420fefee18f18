UPDATE orders SET note = c.email FROM customers AS c WHERE c.id = orders.customer_id;
