DROP TABLE orders;
DROP FUNCTION touch();
