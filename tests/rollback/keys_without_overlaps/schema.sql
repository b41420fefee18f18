CREATE TABLE rooms (id int, during int4range, CONSTRAINT rooms_pkey PRIMARY KEY (id, during WITHOUT OVERLAPS)); INSERT INTO rooms VALUES (1, '[1,10)'), (1, '[10,20)');
CREATE TABLE bookings (id int, room int, during int4range, PRIMARY KEY (id), CONSTRAINT in_room FOREIGN KEY (room, PERIOD during) REFERENCES rooms (id, PERIOD during)); INSERT INTO bookings VALUES (1, 1, '[2,12)');
