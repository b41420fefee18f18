DROP TYPE "Cat's state" CASCADE;
