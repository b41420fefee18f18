DROP INDEX networks_name_key;
