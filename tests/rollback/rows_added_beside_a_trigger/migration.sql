INSERT INTO plans VALUES ('trial', 0), ('club', 40);
