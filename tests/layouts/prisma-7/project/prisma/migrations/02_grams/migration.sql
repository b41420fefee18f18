-- AlterTable
ALTER TABLE "Loaf" ADD COLUMN     "grams" INTEGER;
