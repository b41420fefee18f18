CREATE TABLE networks (
    id char(36) PRIMARY KEY,
    name varchar(255) NOT NULL
) ENGINE=InnoDB;
