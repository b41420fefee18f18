ALTER TABLE flights ADD PRIMARY KEY (id);
ALTER TABLE flights ADD FOREIGN KEY (carrier) REFERENCES airlines;
ALTER TABLE flights ADD FOREIGN KEY (origin) REFERENCES airports;
CREATE INDEX flights_time_hour_idx ON flights (time_hour);
CREATE INDEX flights_tailnum_idx ON flights (tailnum);
CREATE INDEX flights_dest_time_hour_idx ON flights (dest, time_hour);
CREATE INDEX flights_carrier_flight_idx ON flights (carrier, flight);
CREATE INDEX weather_origin_time_hour_idx ON weather (origin, time_hour);
CREATE VIEW busiest_routes AS
    SELECT origin, dest, count(*) AS flights FROM flights GROUP BY origin, dest;
