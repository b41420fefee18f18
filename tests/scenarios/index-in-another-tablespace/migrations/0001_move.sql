ALTER INDEX orders_status_idx SET TABLESPACE pg_default;
