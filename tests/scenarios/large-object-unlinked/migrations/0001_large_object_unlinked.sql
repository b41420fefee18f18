SELECT lo_unlink(777);
