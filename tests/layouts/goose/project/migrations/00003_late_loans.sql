-- +goose Up
ALTER TABLE loans ADD COLUMN returned_on date; -- null while the book is out

-- +goose StatementBegin
CREATE FUNCTION late_loans(day date) RETURNS bigint AS $$
BEGIN
    RETURN (SELECT count(*) FROM loans WHERE due_on < day AND returned_on IS NULL);
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION late_loans(date);
ALTER TABLE loans DROP COLUMN returned_on;
