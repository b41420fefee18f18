CREATE TABLE "Loaf" (
    "id" SERIAL NOT NULL,
    "flour" TEXT NOT NULL,
    "grams" INTEGER,
    CONSTRAINT "Loaf_pkey" PRIMARY KEY ("id")
);
INSERT INTO "Loaf" ("flour", "grams") SELECT 'rye ' || n % 12, 500 + n FROM generate_series(1, 350) AS n;

CREATE TABLE _prisma_migrations (
    id character varying(36) NOT NULL PRIMARY KEY,
    checksum character varying(64) NOT NULL,
    finished_at timestamp with time zone,
    migration_name character varying(255) NOT NULL,
    logs text,
    rolled_back_at timestamp with time zone,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_steps_count integer DEFAULT 0 NOT NULL
);
INSERT INTO _prisma_migrations
    (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at, applied_steps_count)
VALUES
    ('2c9e3d2e-1d7c-4df8-889e-f209d9811593', '95f27dc16f225cd5088c776662487051de603d09c8164793df7dd4f4bf1d8ec5',
     '2026-11-23 03:22:00.831+00', '01_init', NULL, NULL, '2026-11-23 03:22:00.825+00', 1),
    ('ffc6aff5-9e75-437d-a1d5-cbc64a3579ef', 'e177d72e0d5bf631418a3f00a079c863331d73f22a7240ef631337a7a255127c',
     '2026-11-23 03:22:00.841+00', '02_grams', NULL, NULL, '2026-11-23 03:22:00.835+00', 1);
