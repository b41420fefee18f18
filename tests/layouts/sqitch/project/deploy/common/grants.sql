GRANT SELECT ON readings TO :"reader";
