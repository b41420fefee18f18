//! Statements that change or drop what there is.

use super::create::{
    Maker, bound, choose, column_definition, column_setting, comment, default_of, grant, insert, one, query,
    table_setting,
};
use super::dice::Dice;
use super::state::{Part, State};

/// What migrations are made of, each with how often it is wanted.
pub const CHANGES: [(usize, Maker); 37] = [
    (26, creates),
    (6, drop_table),
    (10, drop_column),
    (5, drop_relation),
    (7, drop_part),
    (4, drop_type),
    (3, drop_function),
    (1, drop_schema),
    (8, add_column),
    (9, retype),
    (6, nullability),
    (6, default_value),
    (5, identity),
    (6, rename_relation),
    (5, rename_column),
    (5, rename_part),
    (3, rename_type),
    (2, rename_function),
    (1, rename_schema),
    (4, swap),
    (3, make_again),
    (4, move_schema),
    (6, labels),
    (3, domains),
    (3, attributes),
    (4, owner),
    (5, grant),
    (2, revoke),
    (2, default_privileges),
    (5, comment),
    (4, table_setting),
    (3, column_setting),
    (5, replace),
    (4, states),
    (3, sequences),
    (3, parents),
    (14, rows),
];

fn creates(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    choose(&super::create::CREATES, dice)(state, dice)
}

fn drop_table(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    one(format!("DROP TABLE {}{}", state.table(dice)?.full, dice.cascade()))
}

fn drop_column(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let drop = format!("ALTER TABLE {} DROP COLUMN {}{}", table.full, column.name, dice.cascade());
    if dice.one_in(4) {
        // Dropped and made again is not the same column.
        let type_name = state.column_type(dice);
        return Some(vec![drop, format!("ALTER TABLE {} ADD COLUMN {} {type_name}", table.full, column.name)]);
    }
    one(drop)
}

fn drop_relation(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.relation(dice, "vmS")?;
    one(format!("DROP {} {}{}", word(found.kind), found.full, dice.cascade()))
}

fn word(kind: char) -> &'static str {
    match kind {
        'v' => "VIEW",
        'm' => "MATERIALIZED VIEW",
        'S' => "SEQUENCE",
        _ => "TABLE",
    }
}

fn drop_part(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let part = dice.pick(&state.parts)?;
    let (name, on, cascade) = (&part.name, &part.on, dice.cascade());
    one(match part.what.as_str() {
        "constraint" => format!("ALTER TABLE {on} DROP CONSTRAINT {name}{cascade}"),
        "index" => format!("DROP INDEX {name}{cascade}"),
        what => format!("DROP {what} {name} ON {on}{cascade}"),
    })
}

fn drop_type(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.type_(dice, "edc")?;
    let word = if found.kind == 'd' { "DOMAIN" } else { "TYPE" };
    one(format!("DROP {word} {}{}", found.full, dice.cascade()))
}

fn drop_function(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let function = dice.pick(&state.functions)?;
    one(format!("DROP ROUTINE {}{}", function.full, dice.cascade()))
}

fn drop_schema(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let schema = dice.pick(&state.schemas).filter(|name| *name != "public")?;
    one(format!("DROP SCHEMA {schema}{}", dice.cascade()))
}

fn add_column(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    let definition = column_definition(state, dice, Some(table));
    let more = if dice.one_in(4) {
        format!(", ADD COLUMN {}", column_definition(state, dice, Some(table)))
    } else {
        String::new()
    };
    one(format!("ALTER TABLE {} ADD COLUMN {definition}{more}", table.full))
}

fn retype(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let old = column.type_name.as_str();
    let name = &column.name;
    let new = match (old, dice.below(3)) {
        ("integer", 0) => "bigint".to_owned(),
        ("smallint" | "bigint", 0) => "integer".to_owned(),
        ("text", 0) => "character varying(20)".to_owned(),
        ("character varying(20)", 0) => "character varying(40)".to_owned(),
        ("numeric(10,2)", 0) => "numeric(12,4)".to_owned(),
        ("date", 0) => "timestamp without time zone".to_owned(),
        ("timestamp without time zone", 0) => "date".to_owned(),
        ("json", 0) => "jsonb".to_owned(),
        (_, 1) => "text".to_owned(),
        _ => state.column_type(dice),
    };
    let collate = if new == "text" && dice.one_in(4) { " COLLATE pg_catalog.\"C\"" } else { "" };
    let using = match dice.below(4) {
        0 => String::new(),
        1 => format!(" USING NULL::{new}"),
        _ => format!(" USING {name}::text::{new}"),
    };
    one(format!("ALTER TABLE {} ALTER COLUMN {name} TYPE {new}{collate}{using}", table.full))
}

fn nullability(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let word = if column.not_null { "DROP" } else { "SET" };
    one(format!("ALTER TABLE {} ALTER COLUMN {} {word} NOT NULL", table.full, column.name))
}

fn default_value(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let alter = format!("ALTER TABLE {} ALTER COLUMN {}", table.full, column.name);
    one(if column.generated {
        format!("{alter} DROP EXPRESSION")
    } else if column.has_default && dice.one_in(2) {
        format!("{alter} DROP DEFAULT")
    } else {
        format!("{alter} SET DEFAULT {}", default_of(state, dice, &column.type_name))
    })
}

fn identity(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for table in &state.relations {
        let numbers = table.columns.iter().filter(|column| ["integer", "bigint"].contains(&column.type_name.as_str()));
        found.extend(numbers.filter(|_| table.kind == 'r').map(|column| (table, column)));
    }
    let (table, column) = dice.pick(&found)?;
    let alter = format!("ALTER TABLE {} ALTER COLUMN {}", table.full, column.name);
    one(if !column.identity {
        format!("{alter} ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 1000)")
    } else {
        match dice.below(4) {
            0 => format!("{alter} DROP IDENTITY"),
            1 => format!("{alter} SET GENERATED {}", dice.word(&["ALWAYS", "BY DEFAULT"])),
            2 => format!("{alter} RESTART WITH 500"),
            _ => format!("{alter} SET INCREMENT BY 10"),
        }
    })
}

fn rename_relation(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.relation(dice, "rrrpvmS")?;
    one(format!("ALTER {} {} RENAME TO {}", word(found.kind), found.full, dice.name("t")))
}

fn rename_column(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.relation(dice, "rrrpvm")?;
    let column = dice.pick(&found.columns)?;
    one(format!("ALTER {} {} RENAME COLUMN {} TO {}", word(found.kind), found.full, column.name, dice.name("c")))
}

fn rename_part(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let Part { what, on, name, .. } = dice.pick(&state.parts)?;
    let new = dice.name("r");
    one(match what.as_str() {
        "constraint" => format!("ALTER TABLE {on} RENAME CONSTRAINT {name} TO {new}"),
        "index" => format!("ALTER INDEX {name} RENAME TO {new}"),
        what => format!("ALTER {what} {name} ON {on} RENAME TO {new}"),
    })
}

fn rename_type(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.type_(dice, "edc")?;
    one(format!("ALTER TYPE {} RENAME TO {}", found.full, dice.name("mood")))
}

fn rename_function(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let function = dice.pick(&state.functions)?;
    one(format!("ALTER ROUTINE {} RENAME TO {}", function.full, dice.name("f")))
}

fn rename_schema(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let schema = dice.pick(&state.schemas).filter(|name| *name != "public")?;
    one(format!("ALTER SCHEMA {schema} RENAME TO {}", dice.name("area")))
}

/// Two columns or two tables change names.
fn swap(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.table(dice)?;
    if dice.one_in(2) {
        let (first, second) = (dice.pick(&table.columns)?, dice.pick(&table.columns)?);
        let rename = |from: &str, to: &str| format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", table.full);
        return Some(vec![
            rename(&first.name, "on_the_way"),
            rename(&second.name, &first.name),
            rename("on_the_way", &second.name),
        ]);
    }
    let other = state.table(dice)?;
    let schema = table.full.strip_suffix(&table.name)?;
    Some(vec![
        format!("ALTER TABLE {} RENAME TO on_the_way", table.full),
        format!("ALTER TABLE {} RENAME TO {}", other.full, table.name),
        format!("ALTER TABLE {schema}on_the_way RENAME TO {}", other.name),
    ])
}

/// A table is replaced by one of the same name.
fn make_again(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let table = state.relation(dice, "r")?;
    let schema = table.full.strip_suffix(&table.name)?;
    Some(match dice.below(3) {
        0 => vec![
            format!("CREATE TABLE {schema}fresh (LIKE {} INCLUDING ALL)", table.full),
            format!("INSERT INTO {schema}fresh OVERRIDING SYSTEM VALUE SELECT * FROM {}", table.full),
            format!("DROP TABLE {}{}", table.full, dice.cascade()),
            format!("ALTER TABLE {schema}fresh RENAME TO {}", table.name),
        ],
        1 => vec![
            format!("ALTER TABLE {} RENAME TO outgoing", table.full),
            format!("CREATE TABLE {} AS SELECT * FROM {schema}outgoing", table.full),
        ],
        _ => vec![
            format!("DROP TABLE {}{}", table.full, dice.cascade()),
            format!("CREATE VIEW {} AS SELECT 1 AS id", table.full),
        ],
    })
}

fn move_schema(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let to = dice.pick(&state.schemas)?;
    one(match dice.below(6) {
        0 => format!("ALTER TYPE {} SET SCHEMA {to}", state.type_(dice, "edc")?.full),
        1 => format!("ALTER ROUTINE {} SET SCHEMA {to}", dice.pick(&state.functions)?.full),
        _ => {
            let found = state.relation(dice, "rrrpvmS")?;
            format!("ALTER {} {} SET SCHEMA {to}", word(found.kind), found.full)
        }
    })
}

fn labels(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.type_(dice, "e")?;
    let label = dice.pick(&found.labels)?;
    one(match dice.below(3) {
        0 => format!("ALTER TYPE {} RENAME VALUE '{label}' TO 'r{}'", found.full, dice.below(5)),
        1 => format!("ALTER TYPE {} ADD VALUE 'n{}' BEFORE '{label}'", found.full, dice.below(5)),
        _ => format!("ALTER TYPE {} ADD VALUE 'n{}'", found.full, dice.below(5)),
    })
}

fn domains(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.type_(dice, "d")?;
    let alter = format!("ALTER DOMAIN {}", found.full);
    one(match dice.below(5) {
        0 => format!("{alter} SET DEFAULT NULL"),
        1 => format!("{alter} DROP DEFAULT"),
        2 => format!("{alter} SET NOT NULL"),
        3 => format!("{alter} ADD CONSTRAINT {} CHECK (VALUE::text <> 'never')", dice.name("con")),
        _ => format!("{alter} DROP CONSTRAINT {}_check{}", found.name.trim_matches('"'), dice.cascade()),
    })
}

fn attributes(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.type_(dice, "c")?;
    let (attribute, _) = dice.pick(&found.attributes)?;
    let (alter, cascade) = (format!("ALTER TYPE {}", found.full), dice.cascade());
    one(match dice.below(4) {
        0 => format!("{alter} ADD ATTRIBUTE x{} text{cascade}", dice.below(4)),
        1 => format!("{alter} DROP ATTRIBUTE {attribute}{cascade}"),
        2 => format!("{alter} RENAME ATTRIBUTE {attribute} TO y{}{cascade}", dice.below(4)),
        _ => format!("{alter} ALTER ATTRIBUTE {attribute} TYPE {}{cascade}", dice.word(&["bigint", "text"])),
    })
}

fn owner(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    one(match dice.below(5) {
        0 => format!("ALTER TYPE {} OWNER TO archivist", state.type_(dice, "edc")?.full),
        1 => format!("ALTER ROUTINE {} OWNER TO archivist", dice.pick(&state.functions)?.full),
        2 => format!("ALTER SCHEMA {} OWNER TO archivist", dice.pick(&state.schemas)?),
        _ => {
            let found = state.relation(dice, "rrrpvmS")?;
            format!("ALTER {} {} OWNER TO archivist", word(found.kind), found.full)
        }
    })
}

fn revoke(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let from = dice.word(&["reader", "writer", "PUBLIC"]);
    one(format!("REVOKE ALL ON {} FROM {from}", state.relation(dice, "rpvm")?.full))
}

fn default_privileges(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let inside = if dice.one_in(2) { format!(" IN SCHEMA {}", dice.pick(&state.schemas)?) } else { String::new() };
    one(format!(
        "ALTER DEFAULT PRIVILEGES{inside} GRANT {} TO {}",
        dice.word(&["SELECT ON TABLES", "USAGE ON SEQUENCES", "EXECUTE ON FUNCTIONS", "USAGE ON TYPES"]),
        dice.word(&["reader", "writer"])
    ))
}

/// A view or function is replaced in place.
fn replace(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    if dice.one_in(2) {
        let found = state.relation(dice, "v")?;
        return one(match dice.below(3) {
            // Never over a view: it might be one that reads this one.
            0 => format!("CREATE OR REPLACE VIEW {} AS {}", found.full, query(state, dice, "rp")?),
            1 => format!("ALTER VIEW {} SET (security_barrier=true)", found.full),
            _ => {
                let column = dice.pick(&found.columns)?;
                format!(
                    "ALTER VIEW {} ALTER COLUMN {} SET DEFAULT {}",
                    found.full,
                    column.name,
                    default_of(state, dice, &column.type_name)
                )
            }
        });
    }
    if dice.one_in(4) {
        let found = state.relation(dice, "m")?;
        let data = dice.word(&["", " WITH NO DATA"]);
        return one(format!("REFRESH MATERIALIZED VIEW {}{data}", found.full));
    }
    let function = dice.pick(&state.functions)?;
    one(match function.returns.as_str() {
        "trigger" => format!(
            "CREATE OR REPLACE FUNCTION {} RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RETURN NEW; END$f$",
            function.full
        ),
        _ => format!(
            "ALTER ROUTINE {} {}",
            function.full,
            dice.word(&["COST 7", "SET work_mem = '1MB'", "SECURITY DEFINER", "STABLE"])
        ),
    })
}

/// Triggers, rules and constraints that stay but work otherwise.
fn states(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    one(match dice.below(6) {
        0 => {
            let part = state.part(dice, "rule")?;
            format!("ALTER TABLE {} {} RULE {}", part.on, dice.word(&["DISABLE", "ENABLE ALWAYS"]), part.name)
        }
        1 => {
            let part = state.part(dice, "constraint")?;
            format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", part.on, part.name)
        }
        2 => {
            let part = state.part(dice, "constraint")?;
            format!(
                "ALTER TABLE {} ALTER CONSTRAINT {} {}",
                part.on,
                part.name,
                dice.word(&["DEFERRABLE", "NOT DEFERRABLE"])
            )
        }
        3 => {
            let part = state.part(dice, "policy")?;
            format!("ALTER POLICY {} ON {} TO {}", part.name, part.on, dice.word(&["writer", "PUBLIC"]))
        }
        _ => {
            let part = state.part(dice, "trigger")?;
            format!(
                "ALTER TABLE {} {} TRIGGER {}",
                part.on,
                dice.word(&["DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]),
                part.name
            )
        }
    })
}

fn sequences(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let found = state.relation(dice, "S")?;
    let alter = format!("ALTER SEQUENCE {}", found.full);
    one(match dice.below(6) {
        0 => format!("{alter} RESTART"),
        1 => format!("{alter} INCREMENT BY 3 MAXVALUE 32000"),
        2 => format!("{alter} OWNED BY NONE"),
        3 => {
            let (table, column) = state.column(dice)?;
            format!("{alter} OWNED BY {}.{}", table.full, column.name)
        }
        4 => format!("SELECT setval('{}', 30)", found.full.replace('\'', "''")),
        _ => format!("SELECT nextval('{}')", found.full.replace('\'', "''")),
    })
}

/// Partitions come and go, and so do those who inherit.
fn parents(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let child = state.relation(dice, "r")?;
    if !child.is_partition {
        let other = state.relation(dice, "r")?;
        return one(match (state.relation(dice, "p"), dice.below(3)) {
            (Some(parent), 0) => format!("ALTER TABLE {} ATTACH PARTITION {} {}", parent.full, child.full, bound(dice)),
            (_, 1) => format!("ALTER TABLE {} INHERIT {}", child.full, other.full),
            _ => format!("ALTER TABLE {} NO INHERIT {}", child.full, other.full),
        });
    }
    let parent = state.relation(dice, "p")?;
    one(format!("ALTER TABLE {} DETACH PARTITION {}", parent.full, child.full))
}

/// Rows change, come and go.
fn rows(state: &State, dice: &mut Dice) -> Option<Vec<String>> {
    let (table, column) = state.column(dice)?;
    let (on, name) = (&table.full, &column.name);
    let value = match column.type_name.as_str() {
        "text" if dice.one_in(2) => Some(format!("{name} || 'x'")),
        "integer" | "bigint" if dice.one_in(2) => Some(format!("{name} + 1")),
        type_name => state.value(type_name, "3", 0),
    };
    let other = &dice.pick(&table.columns)?.name;
    let which = match dice.below(4) {
        0 => String::new(),
        1 => format!(" WHERE {other} IS NOT NULL"),
        2 => format!(" WHERE length({other}::text) % 2 = 0"),
        _ => format!(" WHERE hashtext({other}::text) % 2 = 0"),
    };
    one(match dice.below(8) {
        0 => format!("TRUNCATE {on}{}{}", dice.word(&["", " RESTART IDENTITY"]), dice.cascade()),
        1 | 2 => format!("DELETE FROM {on}{which}"),
        3 => return insert(state, dice),
        4 => format!("UPDATE {on} SET {name} = NULL{which}"),
        5 => format!("UPDATE {on} SET {name} = DEFAULT{which}"),
        _ => format!("UPDATE {on} SET {name} = {}{which}", value?),
    })
}
