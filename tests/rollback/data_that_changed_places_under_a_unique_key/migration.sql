SET CONSTRAINTS one_each DEFERRED; UPDATE seats SET place = 5 - place;
