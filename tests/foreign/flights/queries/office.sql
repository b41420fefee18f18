-- name: DelaysAndWind :many
-- weight: 2
-- params windy: origin = 'EWR', day = '2013-03-08 15:00+00'
SELECT w.wind_speed, w.visib, f.carrier, f.flight, f.dep_delay
FROM flights f JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
WHERE f.origin = :origin AND f.time_hour = :day;

-- name: PunctualityOfCarrier :one
-- weight: 1
-- params large: carrier = 'B6'
-- params small: carrier = 'HA'
SELECT count(*), avg(arr_delay), max(arr_delay) FROM flights WHERE carrier = :carrier;

-- name: CancelledOn :many
-- weight: 5
-- params snow: day = '2013-02-08 05:00+00', next = '2013-02-09 05:00+00'
SELECT id, carrier, flight, dest
FROM flights
WHERE dep_time IS NULL AND time_hour >= :day AND time_hour < :next
ORDER BY id;

-- name: PlanesOfMaker :many
-- weight: 3
-- params large: manufacturer = 'EMBRAER'
-- params one: manufacturer = 'AVIAT AIRCRAFT INC'
SELECT tailnum, model, seats FROM planes WHERE manufacturer = :manufacturer ORDER BY tailnum;

-- name: BusiestRoutes :many
-- weight: 0.1
SELECT origin, dest, flights FROM busiest_routes ORDER BY flights DESC LIMIT 10;
