DROP TABLE empty;
