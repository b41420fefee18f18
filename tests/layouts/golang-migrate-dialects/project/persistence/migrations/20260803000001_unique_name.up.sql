CREATE UNIQUE INDEX networks_name_key ON networks (name);
