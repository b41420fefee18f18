-- name: ReadingsOfDay :many
-- params a_day_in_march: day = '2026-03-05'
SELECT id, value FROM readings WHERE taken_at = :day::date ORDER BY id;
