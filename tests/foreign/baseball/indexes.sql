ALTER TABLE people ADD PRIMARY KEY ("playerID");
ALTER TABLE teams_franchises ADD PRIMARY KEY ("franchID");
ALTER TABLE teams ADD PRIMARY KEY ("teamID", "yearID");
ALTER TABLE batting ADD PRIMARY KEY ("playerID", "yearID", stint);
ALTER TABLE pitching ADD PRIMARY KEY ("playerID", "yearID", stint);
ALTER TABLE fielding ADD PRIMARY KEY ("playerID", "yearID", stint, "POS");
ALTER TABLE fielding_ofsplit ADD PRIMARY KEY ("playerID", "yearID", stint, "POS");
ALTER TABLE awards_players ADD PRIMARY KEY (id);
ALTER TABLE college_playing ADD PRIMARY KEY (id);
ALTER TABLE schools ADD PRIMARY KEY ("schoolID");
ALTER TABLE teams ADD FOREIGN KEY ("franchID") REFERENCES teams_franchises;
ALTER TABLE batting ADD FOREIGN KEY ("playerID") REFERENCES people;
ALTER TABLE batting ADD FOREIGN KEY ("teamID", "yearID") REFERENCES teams;
ALTER TABLE pitching ADD FOREIGN KEY ("playerID") REFERENCES people;
ALTER TABLE fielding ADD FOREIGN KEY ("playerID") REFERENCES people;
ALTER TABLE awards_players ADD CONSTRAINT awards_players_player_fkey FOREIGN KEY ("playerID") REFERENCES people ON DELETE CASCADE;
CREATE INDEX batting_team_year_idx ON batting ("teamID", "yearID");
CREATE INDEX batting_year_hr_idx ON batting ("yearID", "HR" DESC);
CREATE INDEX pitching_team_year_idx ON pitching ("teamID", "yearID");
CREATE INDEX pitching_league_idx ON pitching ("lgID");
CREATE INDEX people_last_first_idx ON people ("nameLast", "nameFirst");
CREATE INDEX people_birth_city_idx ON people ("birthCity");
CREATE INDEX salaries_player_idx ON salaries ("playerID", "yearID");
CREATE INDEX salaries_year_salary_idx ON salaries ("yearID", salary DESC);
CREATE INDEX awards_players_player_idx ON awards_players ("playerID");
CREATE INDEX awards_players_award_idx ON awards_players ("awardID", "yearID");
CREATE INDEX appearances_player_idx ON appearances ("playerID");
CREATE INDEX appearances_team_year_idx ON appearances ("teamID", "yearID");
CREATE INDEX college_playing_school_idx ON college_playing ("schoolID");
CREATE INDEX college_playing_player_idx ON college_playing ("playerID");
CREATE VIEW career_batting AS
    SELECT "playerID", sum("AB") AS at_bats, sum("H") AS hits, sum("2B") AS doubles, sum("HR") AS home_runs
    FROM batting GROUP BY "playerID";
CREATE VIEW player_names AS
    SELECT "playerID", "nameFirst" || ' ' || "nameLast" AS name, "nameGiven", debut FROM people;
CREATE TABLE people_audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, player text NOT NULL, was jsonb NOT NULL);
CREATE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    INSERT INTO people_audit (player, was) VALUES (OLD."playerID", to_jsonb(OLD));
    RETURN NEW;
END $$;
CREATE TRIGGER people_changed BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION people_changed();
