INSERT INTO labels (name) SELECT DISTINCT status FROM orders WHERE status <> 'new' OR id < 5;
