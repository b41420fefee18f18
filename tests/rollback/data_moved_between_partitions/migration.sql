UPDATE m SET part = 2, v = v || '!' WHERE part = 1;
