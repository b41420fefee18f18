-- AlterTable
ALTER TABLE "Loaf" ADD COLUMN     "oven" INTEGER;

-- AlterTable
ALTER TABLE "Loaf" ADD COLUMN     "baked" TIMESTAMP(3);
