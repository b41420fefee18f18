CLUSTER payments USING payments_order_id_idx;
