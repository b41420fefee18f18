DELETE FROM lines WHERE n > 5; UPDATE lines SET n = n + 100;
