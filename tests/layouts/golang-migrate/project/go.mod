module example.org/library

go 1.22

require (
	github.com/golang-migrate/migrate/v4 v4.18.3
	github.com/lib/pq v1.10.9
)
