-- verdict: restored_from_backup
-- loses: main.orders.note 2
-- migration
UPDATE orders SET note = upper(note);
