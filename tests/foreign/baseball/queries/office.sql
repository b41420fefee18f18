-- name: TopSalaries :many
-- weight: 20
-- params late: year = 2016
SELECT s."playerID", p."nameLast", s.salary
FROM salaries s JOIN people p USING ("playerID")
WHERE s."yearID" = :year
ORDER BY s.salary DESC
LIMIT 20;

-- name: AwardWinners :many
-- weight: 30
-- params mvp: award = 'Most Valuable Player', since = 1990
SELECT a."yearID", a."lgID", p."nameLast"
FROM awards_players a JOIN people p USING ("playerID")
WHERE a."awardID" = :award AND a."yearID" >= :since
ORDER BY a."yearID" DESC;

-- name: CareerOf :one
-- weight: 50
-- params star: player = 'ruthba01'
SELECT * FROM career_batting WHERE "playerID" = :player;

-- name: BornIn :many
-- weight: 10
-- params city: city = 'Chicago'
SELECT "playerID", "nameLast" FROM people WHERE "birthCity" = :city ORDER BY "nameLast";

-- name: Alumni :many
-- weight: 5
-- params large: school = 'texas'
SELECT DISTINCT p."nameLast", p."nameFirst", n.name
FROM college_playing c JOIN people p USING ("playerID") JOIN player_names n USING ("playerID")
WHERE c."schoolID" = :school
ORDER BY p."nameLast", p."nameFirst", n.name;
