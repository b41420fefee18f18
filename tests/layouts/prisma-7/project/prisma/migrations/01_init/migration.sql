-- CreateTable
CREATE TABLE "Loaf" (
    "id" SERIAL NOT NULL,
    "flour" TEXT NOT NULL,

    CONSTRAINT "Loaf_pkey" PRIMARY KEY ("id")
);
