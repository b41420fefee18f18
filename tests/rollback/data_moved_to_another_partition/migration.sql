UPDATE part SET at = at + 365 WHERE id = 3;
