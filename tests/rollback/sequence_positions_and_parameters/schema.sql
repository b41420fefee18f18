CREATE SEQUENCE a START 5; CREATE SEQUENCE b; CREATE SEQUENCE c INCREMENT BY -1; CREATE SEQUENCE d AS int;
SELECT nextval('a'), nextval('a'), nextval('b'), nextval('c'), nextval('c'), nextval('d'), setval('d', 50);
