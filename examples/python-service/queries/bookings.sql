-- What the service asks most often, as SQLAlchemy sends it.

-- name: free_berths :many
-- owner: team-harbour
-- expect: rows
-- weight: 400
-- params summer: length = 1180, draught = 190, arrives_on = '2026-07-10', leaves_on = '2026-07-14'
-- params long_ship: length = 3900, draught = 420, arrives_on = '2026-07-10', leaves_on = '2026-07-11'
SELECT berths.id, berths.quay, berths.number, berths.length_cm, berths.depth_cm
FROM berths
WHERE berths.length_cm >= :length
  AND berths.depth_cm > :draught
  AND NOT (EXISTS (
    SELECT * FROM bookings
    WHERE bookings.berth_id = berths.id
      AND bookings.status != 'cancelled'
      AND bookings.arrives_on < :leaves_on
      AND bookings.leaves_on > :arrives_on))
ORDER BY berths.length_cm, berths.id
LIMIT 20;

-- name: expected_arrivals :many
-- owner: team-harbour
-- expect: rows
-- weight: 60
-- params summer: day = '2026-07-10'
-- params winter: day = '2027-01-15'
SELECT id, berth_id, vessel_id, arrives_on, leaves_on, status, booked_at
FROM bookings
WHERE arrives_on = :day AND status = 'booked'
ORDER BY berth_id, id;

-- name: bookings_of_vessel :many
-- owner: team-billing
-- expect: rows
-- weight: 120
-- params regular: vessel = 17
SELECT id, berth_id, arrives_on, leaves_on, status
FROM bookings
WHERE vessel_id = :vessel
ORDER BY arrives_on DESC
LIMIT 50;
