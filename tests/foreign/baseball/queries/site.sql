-- name: PlayerById :one
-- weight: 3000
-- params star: player = 'aaronha01'
SELECT * FROM people WHERE "playerID" = :player;

-- name: PlayersByLastName :many
-- weight: 200
-- params common: last = 'Smith'
-- params rare: last = 'Aaron'
SELECT "playerID", "nameFirst", "nameLast", debut
FROM people
WHERE "nameLast" = :last
ORDER BY "nameFirst"
LIMIT 25;

-- name: PlayersByPrefix :many
-- weight: 400
-- params three: prefix = 'Rod%'
SELECT "playerID", "nameLast", "nameFirst" FROM people WHERE "nameLast" LIKE :prefix ORDER BY "nameLast", "nameFirst" LIMIT 10;

-- name: SeasonsOfPlayer :many
-- weight: 1500
-- params long: player = 'aaronha01'
SELECT b."yearID", b.stint, t.name, b."AB", b."H", b."2B", b."3B", b."HR"
FROM batting b JOIN teams t ON t."teamID" = b."teamID" AND t."yearID" = b."yearID"
WHERE b."playerID" = :player
ORDER BY b."yearID", b.stint;

-- name: Roster :many
-- weight: 600
-- params yankees: team = 'NYA', year = 1998
-- params old: team = 'TRO', year = 1871
SELECT p."nameFirst", p."nameLast", b."G", b."HR"
FROM batting b JOIN people p USING ("playerID")
WHERE b."teamID" = :team AND b."yearID" = :year
ORDER BY b."G" DESC;

-- name: HomeRunLeaders :many
-- weight: 120
-- params race: year = 1998
SELECT "playerID", "teamID", "HR" FROM batting WHERE "yearID" = :year ORDER BY "HR" DESC LIMIT 10;
