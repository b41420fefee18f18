"""Prints the harbour as production has it: the schema of revision 0003, and the same rows every time.

    python data/make_source.py > data/production.sql

In earnest this is a dump of production, or of a copy of it without what must not leave the house.
"""

import io
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from alembic import command  # noqa: E402
from alembic.config import Config  # noqa: E402

REVISION = "0003"
TABLES = ["berths", "vessels", "bookings", "alembic_version"]
QUAYS = ["Old Quay", "Fish Quay", "North Mole", "South Mole", "Lock Basin"]

ROWS = """
INSERT INTO berths (quay, number, length_cm, depth_cm)
SELECT quay, number, 600 + 100 * ((number * 7 + length(quay)) % 35), 150 + 10 * ((number * 3) % 30)
FROM unnest(ARRAY[{quays}]) AS quay, generate_series(1, 80) AS number;

INSERT INTO vessels (call_sign, name, length_cm, draught_cm)
SELECT 'HB' || lpad(n::text, 5, '0'), 'Vessel ' || n, 550 + n * 37 % 3300, 60 + n * 13 % 280
FROM generate_series(1, 4000) AS n;

INSERT INTO bookings (berth_id, vessel_id, arrives_on, leaves_on, status, booked_at)
SELECT 1 + stay % 400, 1 + stay * 61 % 4000, day, day + 1 + stay % 4,
       CASE WHEN stay % 11 = 0 THEN 'cancelled' WHEN day < '2026-06-01' THEN 'arrived' ELSE 'booked' END,
       day - (7 + stay % 90) * interval '1 day'
FROM generate_series(0, 59999) AS stay,
     LATERAL (SELECT date '2026-01-01' + (stay / 400) * 4 + stay % 4 AS day) AS stays;
"""


def schema() -> str:
    """What the revisions up to REVISION send, without what is about their transactions."""
    # Nothing is sent anywhere.
    os.environ["DATABASE_URL"] = "postgresql:///none"
    config = Config(ROOT / "alembic.ini")
    config.output_buffer = io.StringIO()
    command.upgrade(config, REVISION, sql=True)
    lines = config.output_buffer.getvalue().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("BEGIN;", "COMMIT;", "SET LOCAL")))


def main() -> None:
    """Prints all of it."""
    print("CREATE ROLE harbour LOGIN;\n")
    print(schema())
    print(ROWS.format(quays=", ".join(f"'{quay}'" for quay in QUAYS)))
    for table in TABLES:
        print(f"ALTER TABLE {table} OWNER TO harbour;")
    print("GRANT CREATE ON SCHEMA public TO harbour;")


if __name__ == "__main__":
    main()
