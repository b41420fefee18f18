DO $$
BEGIN
    FOR batch IN 0..19 LOOP
        UPDATE orders SET note = 'seen' WHERE id BETWEEN batch * 1000 + 1 AND (batch + 1) * 1000;
        COMMIT;
    END LOOP;
END
$$;
