ALTER TABLE payments ADD CONSTRAINT payments_refund_of_fkey FOREIGN KEY (refund_of) REFERENCES orders (id);
