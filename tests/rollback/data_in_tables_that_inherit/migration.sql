UPDATE base SET v = upper(v);
