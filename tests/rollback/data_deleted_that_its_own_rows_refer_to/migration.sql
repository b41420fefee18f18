DELETE FROM comments WHERE id = 3;
