-- verdict: exact
-- migration
DROP TRIGGER order_noted;
CREATE TRIGGER order_noted BEFORE DELETE ON orders BEGIN SELECT 1; END;
