ALTER TABLE "Größe & Co"."Bestellungen ""2026""" ADD COLUMN "Ω" uuid NOT NULL DEFAULT gen_random_uuid();
CREATE INDEX "größe;idx" ON "Größe & Co".a_name_of_sixty_three_bytes_is_the_longest_that_the_server_keep (id, (id + 1));
ALTER TABLE "Größe & Co"."Bestellungen ""2026""" DROP COLUMN "a;b'c";
