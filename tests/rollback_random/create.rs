//! Statements that make something. Each looks at the schema as it stands; whether the server takes it is for the caller
//! to find out.

use super::dice::Dice;
use super::state::{Column, Relation, State};

/// Makes statements from what there is; none where there is nothing to make them from.
pub type Maker = fn(&State, &mut Dice) -> Option<Vec<String>>;

/// What makes a schema, each with how often it is wanted.
pub const CREATES: [(usize, Maker); 24] = [
    (2, schema),
    (4, enumeration),
    (3, domain),
    (3, composite),
    (14, table),
    (2, partitioned),
    (4, partition),
    (2, heir),
    (6, view),
    (4, materialized_view),
    (6, function),
    (5, trigger),
    (2, rule),
    (4, policy),
    (10, index),
    (9, constraint),
    (6, comment),
    (5, grant),
    (3, sequence),
    (2, statistics),
    (6, column_setting),
    (2, publication),
    (4, table_setting),
    (16, insert),
];

/// One of these, by its weight.
pub fn choose(makers: &[(usize, Maker)], dice: &mut Dice) -> Maker {
    let mut left = dice.below(makers.iter().map(|(weight, _)| weight).sum());
    for (weight, maker) in makers {
        if left < *weight {
            return *maker;
        }
        left -= weight;
    }
    makers[0].1
}

pub fn one(sql: String) -> Option<Vec<String>> {
    Some(vec![sql])
}

fn schema(_: &State, dice: &mut Dice) -> Option<Vec<String>> {
    one(format!("CREATE SCHEMA {}", dice.name("area")))
}

fn enumeration(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let labels: Vec<String> = (0..1 + dice.below(4)).map(|label| format!("'l{label}'")).collect();
    one(format!("CREATE TYPE {} AS ENUM ({})", state.place(dice, "mood"), labels.join(", ")))
}

fn domain(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (base, check) = match dice.below(4) {
        0 => ("integer", "CHECK (VALUE >= 0)"),
        1 => ("text", "CHECK (length(VALUE) < 90)"),
        2 => ("text", "DEFAULT 'none'"),
        _ => ("numeric(10,2)", ""),
    };
    one(format!("CREATE DOMAIN {} AS {base} {check}", state.place(dice, "dom")))
}

fn composite(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let second = if dice.one_in(3) { state.column_type(dice) } else { "text".to_owned() };
    one(format!("CREATE TYPE {} AS (a integer, b {second})", state.place(dice, "pair")))
}

/// A column's name and all that follows; some kinds of it.
pub fn column_definition(state: &State, dice: &mut Dice, table: Option<&Relation>) -> String {
    let name = dice.name("c");
    match dice.below(16) {
        0 => return format!("{name} serial"),
        1 => return format!("{name} integer GENERATED {} AS IDENTITY", dice.word(&["ALWAYS", "BY DEFAULT"])),
        2 => {
            let numbers: Vec<_> = table
                .into_iter()
                .flat_map(|table| &table.columns)
                .filter(|column| ["integer", "bigint", "smallint", "text"].contains(&column.type_name.as_str()))
                .collect();
            if let Some(column) = dice.pick(&numbers) {
                let expression = if column.type_name == "text" {
                    format!("upper({})", column.name)
                } else {
                    format!("({}::numeric * 2)", column.name)
                };
                let kind = if column.type_name == "text" { "text" } else { "numeric" };
                return format!("{name} {kind} GENERATED ALWAYS AS ({expression}) STORED");
            }
        }
        _ => {}
    }
    let type_name = state.column_type(dice);
    let mut text = format!("{name} {type_name}");
    if type_name == "text" && dice.one_in(4) {
        text.push_str(" COLLATE pg_catalog.\"C\"");
    }
    if dice.one_in(3) {
        text.push_str(&format!(" DEFAULT {}", default_of(state, dice, &type_name)));
    }
    if dice.one_in(5) {
        text.push_str(" NOT NULL");
    }
    text
}

/// A default for a column of this type.
pub fn default_of(state: &State, dice: &mut Dice, type_name: &str) -> String {
    if let Some(label) = state.types.iter().find(|found| found.full == type_name).and_then(|found| found.labels.first())
    {
        return format!("'{}'::{type_name}", label.replace('\'', "''"));
    }
    match type_name {
        "integer" | "bigint" | "smallint" => dice.word(&["0", "42", "(1 + 1)"]),
        "text" | "character varying(20)" | "character(5)" => dice.word(&["'x'", "upper('y')", "'it''s'"]),
        "boolean" => "false",
        "timestamp with time zone" | "date" | "timestamp without time zone" => "'2024-05-05'",
        "jsonb" | "json" | "integer[]" | "text[]" => "'{}'",
        "numeric(10,2)" | "numeric" | "double precision" => "1.5",
        _ => "NULL",
    }
    .to_owned()
}

fn table(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let name = state.place(dice, "t");
    let mut parts = Vec::new();
    match dice.below(6) {
        0 => {}
        1 => parts.push("id serial PRIMARY KEY".to_owned()),
        2 => parts.push("id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY".to_owned()),
        3 => {
            parts.push("id integer".to_owned());
            parts.push("region text DEFAULT 'eu'".to_owned());
            parts.push("PRIMARY KEY (id, region)".to_owned());
        }
        _ => parts.push("id integer PRIMARY KEY".to_owned()),
    }
    for _ in 0..1 + dice.below(4) {
        parts.push(column_definition(state, dice, None));
    }
    if dice.one_in(3)
        && let Some(other) = state.relation(dice, "r")
        && other.columns.iter().any(|column| column.name == "id")
    {
        let on_delete = dice.word(&["", " ON DELETE CASCADE", " ON DELETE SET NULL", " DEFERRABLE INITIALLY DEFERRED"]);
        parts.push(format!("ref{} integer REFERENCES {} (id){on_delete}", dice.below(3), other.full));
    }
    let kind = if dice.one_in(12) { "UNLOGGED " } else { "" };
    one(format!("CREATE {kind}TABLE {name} ({})", parts.join(", ")))
}

fn partitioned(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let name = state.place(dice, "p");
    let key = if dice.one_in(2) { ", PRIMARY KEY (k, note)" } else { "" };
    one(format!(
        "CREATE TABLE {name} (k integer NOT NULL, note text NOT NULL, {}{key}) PARTITION BY {} (k)",
        column_definition(state, dice, None),
        dice.word(&["RANGE", "LIST", "HASH"])
    ))
}

/// One of few bounds, so that they come back.
pub fn bound(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => format!("FOR VALUES IN ({}, {})", dice.below(3), 10 + dice.below(3)),
        1 => format!("FOR VALUES WITH (MODULUS 2, REMAINDER {})", dice.below(2)),
        2 => "DEFAULT".to_owned(),
        _ => {
            let from = dice.below(3) * 50;
            format!("FOR VALUES FROM ({from}) TO ({})", from + 50)
        }
    }
}

fn partition(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let parent = state.relation(dice, "p")?;
    one(format!("CREATE TABLE {} PARTITION OF {} {}", state.place(dice, "part"), parent.full, bound(dice)))
}

fn heir(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let parent = state.relation(dice, "r")?;
    let own = column_definition(state, dice, Some(parent));
    one(format!("CREATE TABLE {} ({own}) INHERITS ({})", state.place(dice, "heir"), parent.full))
}

/// A query over a relation of one of these kinds.
pub fn query(state: &State, dice: &mut Dice, kinds: &str) -> Option<String> {
    let from = state.relation(dice, kinds)?;
    if from.columns.is_empty() {
        return None;
    }
    let mut listed: Vec<String> = Vec::new();
    for column in &from.columns {
        if dice.below(3) > 0 {
            listed.push(format!("f.{}", column.name));
        }
    }
    let column = dice.pick(&from.columns)?;
    Some(match dice.below(5) {
        0 => format!("SELECT * FROM {} AS f", from.full),
        1 => format!("SELECT {0}::text AS word, count(*) AS many FROM {1} GROUP BY {0}::text", column.name, from.full),
        2 => format!("SELECT f.{0} FROM {1} AS f WHERE f.{0} IS NOT NULL", column.name, from.full),
        3 if from.columns.iter().any(|column| column.name == "id") => {
            format!("SELECT * FROM {} AS f GROUP BY f.id", from.full)
        }
        _ if listed.is_empty() => format!("SELECT count(*) AS many FROM {}", from.full),
        _ => format!("SELECT {} FROM {} AS f", listed.join(", "), from.full),
    })
}

fn view(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let options = dice.word(&["", "", " WITH (security_barrier=true)", " WITH (check_option=local)"]);
    one(format!("CREATE VIEW {}{options} AS {}", state.place(dice, "v"), query(state, dice, "rpvm")?))
}

fn materialized_view(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let data = if dice.one_in(5) { " WITH NO DATA" } else { "" };
    one(format!("CREATE MATERIALIZED VIEW {} AS {}{data}", state.place(dice, "m"), query(state, dice, "rpvm")?))
}

fn function(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let name = state.place(dice, "f");
    let argument = state.column_type(dice);
    let table = state.table(dice)?;
    let id = table.columns.first().map_or("1", |column| column.name.as_str());
    one(match dice.below(8) {
        0 => format!("CREATE FUNCTION {name}(a {argument}) RETURNS {argument} LANGUAGE sql IMMUTABLE AS 'SELECT a'"),
        1 => format!(
            "CREATE FUNCTION {name}(a integer DEFAULT 1) RETURNS SETOF {0} LANGUAGE sql STABLE AS $f$SELECT * FROM {0}$f$",
            table.full
        ),
        2 => format!(
            "CREATE FUNCTION {name}() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {}; END",
            table.full
        ),
        3 => format!(
            "CREATE PROCEDURE {name}(a integer) LANGUAGE plpgsql AS $f$BEGIN PERFORM {id} FROM {}; END$f$",
            table.full
        ),
        4 => {
            format!("CREATE FUNCTION {name}(a integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a + 1'")
        }
        5 => format!("CREATE FUNCTION {name}(r {}) RETURNS text LANGUAGE sql STABLE AS 'SELECT r::text'", table.full),
        _ => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RETURN coalesce(NEW, OLD); END$f$"
        ),
    })
}

fn trigger(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let function = state.function(dice, true)?;
    let (table, column) = state.column(dice)?;
    let name = dice.name("trg");
    let on = &table.full;
    one(match dice.below(4) {
        0 => format!(
            "CREATE TRIGGER {name} AFTER INSERT OR DELETE ON {on} FOR EACH STATEMENT EXECUTE FUNCTION {}",
            function.full
        ),
        1 => format!(
            "CREATE TRIGGER {name} BEFORE UPDATE OF {} ON {on} FOR EACH ROW EXECUTE FUNCTION {}",
            column.name, function.full
        ),
        2 => format!(
            "CREATE CONSTRAINT TRIGGER {name} AFTER UPDATE ON {on} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {}",
            function.full
        ),
        _ => format!(
            "CREATE TRIGGER {name} AFTER UPDATE ON {on} FOR EACH ROW WHEN (OLD.{0}::text IS DISTINCT FROM NEW.{0}::text) EXECUTE FUNCTION {1}",
            column.name, function.full
        ),
    })
}

fn rule(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let on = state.relation(dice, "rv")?;
    let event = dice.word(&["INSERT", "DELETE"]);
    one(format!("CREATE RULE {} AS ON {event} TO {} DO ALSO NOTHING", dice.name("rul"), on.full))
}

fn policy(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let on = &table.full;
    let mut all = vec![format!(
        "CREATE POLICY {} ON {on}{} TO {} USING ({} IS NOT NULL)",
        dice.name("pol"),
        dice.word(&["", " FOR SELECT", " AS RESTRICTIVE FOR UPDATE"]),
        dice.word(&["reader", "PUBLIC", "reader, writer"]),
        column.name
    )];
    if dice.one_in(2) {
        all.push(format!("ALTER TABLE {on} ENABLE ROW LEVEL SECURITY"));
    }
    Some(all)
}

fn index(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.relation(dice, "rrpm")?;
    let column = dice.pick(&table.columns)?;
    let other = dice.pick(&table.columns)?;
    let (name, on) = (dice.name("i"), &table.full);
    one(match dice.below(9) {
        0 => format!("CREATE INDEX {name} ON {on} (({}::text || 'x'))", column.name),
        1 => format!("CREATE INDEX {name} ON {on} ({}) WHERE {} IS NOT NULL", column.name, other.name),
        2 => format!("CREATE UNIQUE INDEX {name} ON {on} ({}, {})", column.name, other.name),
        3 => format!("CREATE INDEX {name} ON {on} ({} DESC NULLS LAST) INCLUDE ({})", column.name, other.name),
        4 => format!("CREATE INDEX {name} ON {on} USING hash ({})", column.name),
        5 => format!("CREATE INDEX {name} ON {on} ({}) WITH (fillfactor=70)", column.name),
        6 => format!("CREATE UNIQUE INDEX {name} ON {on} ({})", column.name),
        _ => format!("CREATE INDEX {name} ON {on} ({})", column.name),
    })
}

pub fn constraint(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let (name, on) = (dice.name("con"), &table.full);
    let add = format!("ALTER TABLE {on} ADD CONSTRAINT {name}");
    one(match dice.below(8) {
        0 => format!("{add} UNIQUE ({})", column.name),
        1 | 2 => format!("{add} CHECK ({}::text <> 'never')", column.name),
        3 => format!("{add} CHECK ({} IS NOT NULL) NOT VALID", column.name),
        4 => format!("{add} EXCLUDE USING btree ({} WITH =)", column.name),
        5 => format!("ALTER TABLE {on} ADD PRIMARY KEY ({})", column.name),
        kind => {
            let other = state.table(dice)?;
            let referenced = dice.pick(&other.columns)?;
            let how = dice.word(&["", " NOT VALID", " ON UPDATE CASCADE", " ON DELETE CASCADE"]);
            let referenced = if kind == 6 { "id" } else { &referenced.name };
            format!("{add} FOREIGN KEY ({}) REFERENCES {} ({referenced}){how}", column.name, other.full)
        }
    })
}

pub fn comment(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let text = dice.word(&["'first'", "'it''s -- odd'", "E'two\\nlines'", "NULL"]);
    let on = match dice.below(8) {
        0 | 1 => {
            let (table, column) = state.column(dice)?;
            format!("COLUMN {}.{}", table.full, column.name)
        }
        2 => format!("TYPE {}", state.type_(dice, "ec")?.full),
        3 => {
            let function = state.functions.iter().find(|found| found.kind == 'f')?;
            format!("FUNCTION {}", function.full)
        }
        4 => format!("INDEX {}", state.part(dice, "index")?.name),
        5 => {
            let what = dice.word(&["constraint", "trigger", "policy"]);
            let part = state.part(dice, what)?;
            format!("{} {} ON {}", what.to_uppercase(), part.name, part.on)
        }
        6 => format!("VIEW {}", state.relation(dice, "v")?.full),
        _ => format!("TABLE {}", state.table(dice)?.full),
    };
    one(format!("COMMENT ON {on} IS {text}"))
}

pub fn grant(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let to = dice.word(&["reader", "writer", "PUBLIC"]);
    let option = if to != "PUBLIC" && dice.one_in(4) { " WITH GRANT OPTION" } else { "" };
    one(match dice.below(7) {
        0 => {
            let (table, column) = state.column(dice)?;
            format!("GRANT SELECT ({0}), UPDATE ({0}) ON {1} TO {to}{option}", column.name, table.full)
        }
        1 => format!("GRANT USAGE ON SCHEMA {} TO {to}{option}", dice.pick(&state.schemas)?),
        2 => format!("GRANT ALL ON SEQUENCE {} TO {to}{option}", state.relation(dice, "S")?.full),
        3 => format!("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC", state.function(dice, false)?.full),
        4 => format!("REVOKE USAGE ON TYPE {} FROM PUBLIC", state.type_(dice, "edc")?.full),
        _ => {
            let what = dice.word(&["SELECT", "INSERT, UPDATE", "ALL"]);
            format!("GRANT {what} ON {} TO {to}{option}", state.relation(dice, "rpvm")?.full)
        }
    })
}

fn sequence(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let name = state.place(dice, "s");
    let how = dice.word(&["", " START 100 INCREMENT 5", " INCREMENT -1", " AS smallint CYCLE"]);
    let mut all = vec![format!("CREATE SEQUENCE {name}{how}")];
    if dice.one_in(2) {
        all.push(format!("SELECT nextval('{}')", name.replace('\'', "''")));
    }
    if dice.one_in(3)
        && let Some((table, column)) = state.column(dice)
    {
        all.push(format!(
            "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval('{}')",
            table.full,
            column.name,
            name.replace('\'', "''")
        ));
    }
    Some(all)
}

fn statistics(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    let (one_column, other) = (dice.pick(&table.columns)?, dice.pick(&table.columns)?);
    one(format!(
        "CREATE STATISTICS {} ON {}, {} FROM {}",
        state.place(dice, "st"),
        one_column.name,
        other.name,
        table.full
    ))
}

pub fn column_setting(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let what = dice.word(&[
        "SET STATISTICS 200",
        "SET STORAGE EXTERNAL",
        "SET STORAGE MAIN",
        "SET (n_distinct=-0.5)",
        "SET COMPRESSION pglz",
        "RESET (n_distinct)",
        "SET STATISTICS -1",
    ]);
    one(format!("ALTER TABLE {} ALTER COLUMN {} {what}", table.full, column.name))
}

fn publication(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    one(match dice.pick(&state.publications).filter(|_| dice.one_in(2)) {
        Some(found) => format!("ALTER PUBLICATION {found} {} TABLE {}", dice.word(&["ADD", "DROP", "SET"]), table.full),
        None => format!("CREATE PUBLICATION {} FOR TABLE {}", dice.name("pub"), table.full),
    })
}

pub fn table_setting(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    let index = state.part(dice, "index")?;
    let index_name = index.name.split('.').next_back()?;
    one(match dice.below(9) {
        0 => format!("ALTER TABLE {} SET (fillfactor=60, autovacuum_enabled=false)", table.full),
        1 => format!("ALTER TABLE {} RESET (fillfactor)", table.full),
        2 => format!("ALTER TABLE {} REPLICA IDENTITY {}", table.full, dice.word(&["FULL", "NOTHING", "DEFAULT"])),
        3 => format!("ALTER TABLE {} REPLICA IDENTITY USING INDEX {index_name}", index.on),
        4 => format!("ALTER TABLE {} CLUSTER ON {index_name}", index.on),
        5 => format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", table.full),
        6 => format!("ALTER TABLE {} {} ROW LEVEL SECURITY", table.full, dice.word(&["ENABLE", "DISABLE"])),
        7 => format!("ALTER TABLE {} SET {}", table.full, dice.word(&["UNLOGGED", "LOGGED"])),
        _ => format!("ALTER TABLE {} SET (toast.autovacuum_enabled=false)", table.full),
    })
}

/// Rows for a table: from a query, or spelled out.
pub fn insert(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    let skipped = |column: &Column, dice: &mut Dice| {
        column.generated || ((column.has_default || column.identity) && dice.one_in(2))
    };
    let columns: Vec<&Column> = table.columns.iter().filter(|column| !skipped(column, dice)).collect();
    let nulls: Vec<bool> = columns.iter().map(|column| !column.not_null && dice.one_in(3)).collect();
    let row = |n: &str| -> Vec<String> {
        let mut values = Vec::new();
        for (column, nulls) in columns.iter().zip(&nulls) {
            let value = state.value(&column.type_name, n, 0).unwrap_or_else(|| "NULL".to_owned());
            let is_key = ["id", "k"].contains(&column.name.as_str()) || column.name.starts_with("ref");
            values.push(match &column.type_name[..] {
                "integer" | "bigint" if is_key => n.to_owned(),
                _ if *nulls => format!("CASE WHEN {n} % 3 <> 0 THEN {value} END"),
                _ => value,
            });
        }
        values
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let (first, count) = (dice.below(3) * 10 + 1, 1 + dice.below(8));
    let into = format!("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE", table.full, names.join(", "));
    one(if names.is_empty() {
        format!("INSERT INTO {} DEFAULT VALUES", table.full)
    } else if dice.one_in(3) {
        let rows: Vec<String> =
            (first..first + 2).map(|number| format!("({})", row(&number.to_string()).join(", "))).collect();
        format!("{into} VALUES {}", rows.join(", "))
    } else {
        let last = first + count;
        format!("{into} SELECT {} FROM generate_series({first}, {last}) AS n", row("n").join(", "))
    })
}
