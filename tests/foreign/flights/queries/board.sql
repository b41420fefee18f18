-- name: DeparturesOfTheHour :many
-- weight: 900
-- params morning: time_hour = '2013-07-12 11:00+00'
-- params night: time_hour = '2013-02-09 04:00+00'
SELECT carrier, flight, dest, sched_dep_time, dep_delay
FROM flights
WHERE time_hour = :time_hour
ORDER BY sched_dep_time;

-- name: ArrivalsFrom :many
-- weight: 400
-- params busy: dest = 'ORD', since = '2013-11-20 00:00+00'
-- params quiet: dest = 'ANC', since = '2013-06-01 00:00+00'
SELECT id, carrier, flight, time_hour, arr_delay
FROM flights
WHERE dest = :dest AND time_hour >= :since
ORDER BY time_hour
LIMIT 50;

-- name: FlightHistory :many
-- weight: 120
-- params daily: carrier = 'UA', flight = 15
-- params rare: carrier = 'OO', flight = 4924
SELECT time_hour, origin, dest, dep_delay, arr_delay
FROM flights
WHERE carrier = :carrier AND flight = :flight
ORDER BY time_hour DESC
LIMIT 20;

-- name: FlightById :one
-- weight: 2500
-- params one: id = 123456
SELECT * FROM flights WHERE id = :id;

-- name: PlaneLog :many
-- weight: 60
-- params busy: tailnum = 'N725MQ'
-- params seldom: tailnum = 'N102UW'
SELECT f.time_hour, f.origin, f.dest, f.air_time, p.manufacturer, p.model
FROM flights f LEFT JOIN planes p ON p.tailnum = f.tailnum
WHERE f.tailnum = :tailnum
ORDER BY f.time_hour;
