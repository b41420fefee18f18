ALTER TABLE "Order Lines" DROP COLUMN "select"; ALTER TABLE "Order Lines" RENAME COLUMN "it's" TO "user"; DROP FUNCTION "Odd"."f n"(text); DROP VIEW "Odd"."V";
ALTER TABLE "Odd"."T" ALTER COLUMN "A-b" TYPE bigint;
