DROP TABLE "Weird $seatrial$ é";
UPDATE kept SET "$seatrial$" = upper("$seatrial$") WHERE id < 3;
