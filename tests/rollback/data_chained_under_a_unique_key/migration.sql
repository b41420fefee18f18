UPDATE users SET email = 'a' || email WHERE id = 1;
UPDATE users SET email = 'u1@x' WHERE id = 2;
UPDATE users SET email = 'u2@x' WHERE id = 3;
UPDATE swap SET pos = pos + 1000;
UPDATE swap SET pos = pos - 999;
