CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE part (m mood) PARTITION BY LIST (m);
