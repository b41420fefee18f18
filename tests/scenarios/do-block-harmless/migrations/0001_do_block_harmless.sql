DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'vouchers') THEN
        CREATE TABLE vouchers (code text PRIMARY KEY);
    END IF;
END
$$;
