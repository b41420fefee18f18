//! The schema as it stands, as far as the next statement has to know it. All names are spelled as SQL wants them.

use super::dice::Dice;
use seatrial::engine::ServerError;
use seatrial::engine::postgres::session::Session;
use std::collections::BTreeMap;

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub type_name: String,
    pub not_null: bool,
    pub has_default: bool,
    pub identity: bool,
    pub generated: bool,
}

/// A table, view, materialized view or sequence.
#[derive(Debug, Clone)]
pub struct Relation {
    pub oid: String,
    /// With its schema.
    pub full: String,
    pub name: String,
    /// `relkind`.
    pub kind: char,
    pub is_partition: bool,
    pub columns: Vec<Column>,
}

/// What hangs on a table.
#[derive(Debug, Clone)]
pub struct Part {
    pub what: String,
    /// Its table, with the schema.
    pub on: String,
    pub name: String,
}

/// A type people made.
#[derive(Debug, Clone)]
pub struct Type {
    pub full: String,
    pub name: String,
    /// `typtype`.
    pub kind: char,
    pub labels: Vec<String>,
    /// What a domain is made of.
    pub base: String,
    /// Of a composite type: attribute and type.
    pub attributes: Vec<(String, String)>,
}

/// A function or procedure.
#[derive(Debug, Clone)]
pub struct Function {
    /// `schema.name(types)`.
    pub full: String,
    pub returns: String,
    /// `prokind`.
    pub kind: char,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub schemas: Vec<String>,
    pub relations: Vec<Relation>,
    pub parts: Vec<Part>,
    pub types: Vec<Type>,
    pub functions: Vec<Function>,
    pub statistics: Vec<String>,
    pub publications: Vec<String>,
}

const OURS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

async fn ask(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, ServerError> {
    let rows = session.query(sql).await?.rows;
    Ok(rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect())
}

fn letter(text: &str) -> char {
    text.chars().next().unwrap_or(' ')
}

impl State {
    /// Reads it; the session's `search_path` is empty.
    pub async fn read(session: &mut Session) -> Result<Self, ServerError> {
        let mut state = Self::default();
        let schemas = format!("SELECT quote_ident(nspname) FROM pg_namespace n WHERE {OURS} ORDER BY oid");
        state.schemas = ask(session, &schemas).await?.into_iter().map(|mut row| row.remove(0)).collect();
        let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        let sql = format!(
            "SELECT a.attrelid, quote_ident(attname), format_type(atttypid, atttypmod), attnotnull, atthasdef, \
             attidentity <> '', attgenerated <> '' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND attnum > 0 AND NOT attisdropped \
             AND relkind IN ('r', 'p', 'v', 'm', 'c') ORDER BY a.attrelid, attnum"
        );
        for row in ask(session, &sql).await? {
            let yes = |index: usize| row[index] == "t";
            columns.entry(row[0].clone()).or_default().push(Column {
                name: row[1].clone(),
                type_name: row[2].clone(),
                not_null: yes(3),
                has_default: yes(4),
                identity: yes(5),
                generated: yes(6),
            });
        }
        let sql = format!(
            "SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(relname), quote_ident(relname), relkind, \
             relispartition FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND relkind IN ('r', 'p', 'v', 'm', 'S') \
             ORDER BY c.oid"
        );
        for row in ask(session, &sql).await? {
            state.relations.push(Relation {
                oid: row[0].clone(),
                full: row[1].clone(),
                name: row[2].clone(),
                kind: letter(&row[3]),
                is_partition: row[4] == "t",
                columns: columns.get(&row[0]).cloned().unwrap_or_default(),
            });
        }
        let sql = format!(
            "SELECT p.what, p.relation::regclass, p.name FROM ( \
             SELECT 1 AS rank, 'constraint' AS what, oid, conrelid AS relation, quote_ident(conname) AS name \
             FROM pg_constraint WHERE contype <> 't' \
             UNION ALL SELECT 2, 'trigger', oid, tgrelid, quote_ident(tgname) FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 3, 'policy', oid, polrelid, quote_ident(polname) FROM pg_policy \
             UNION ALL SELECT 4, 'rule', oid, ev_class, quote_ident(rulename) FROM pg_rewrite \
             WHERE rulename <> '_RETURN' \
             UNION ALL SELECT 5, 'index', indexrelid, indrelid, indexrelid::regclass::text FROM pg_index) AS p \
             JOIN pg_class c ON c.oid = p.relation JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} \
             ORDER BY rank, p.oid"
        );
        for row in ask(session, &sql).await? {
            state.parts.push(Part { what: row[0].clone(), on: row[1].clone(), name: row[2].clone() });
        }
        let sql = format!(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(typname), quote_ident(typname), typtype, \
             (SELECT string_agg(enumlabel, E'\\n' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), \
             CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod) END, typrelid FROM pg_type t \
             JOIN pg_namespace n ON n.oid = typnamespace WHERE {OURS} AND typcategory <> 'A' AND (typtype IN ('e', 'd') \
             OR typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c') ORDER BY t.oid"
        );
        for row in ask(session, &sql).await? {
            let attributes = columns.get(&row[5]).into_iter().flatten();
            state.types.push(Type {
                full: row[0].clone(),
                name: row[1].clone(),
                kind: letter(&row[2]),
                labels: row[3].lines().map(str::to_owned).collect(),
                base: row[4].clone(),
                attributes: attributes.map(|found| (found.name.clone(), found.type_name.clone())).collect(),
            });
        }
        let sql = format!(
            "SELECT p.oid::regprocedure, format_type(prorettype, NULL), prokind FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = pronamespace WHERE {OURS} AND NOT EXISTS (SELECT FROM pg_depend \
             WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'i') ORDER BY p.oid"
        );
        for row in ask(session, &sql).await? {
            state.functions.push(Function { full: row[0].clone(), returns: row[1].clone(), kind: letter(&row[2]) });
        }
        let sql = "SELECT quote_ident(n.nspname) || '.' || quote_ident(stxname) FROM pg_statistic_ext s \
            JOIN pg_namespace n ON n.oid = stxnamespace ORDER BY s.oid";
        state.statistics = ask(session, sql).await?.into_iter().map(|mut row| row.remove(0)).collect();
        let sql = "SELECT quote_ident(pubname) FROM pg_publication ORDER BY oid";
        state.publications = ask(session, sql).await?.into_iter().map(|mut row| row.remove(0)).collect();
        Ok(state)
    }

    fn of(&self, kinds: &str) -> Vec<&Relation> {
        self.relations.iter().filter(|found| kinds.contains(found.kind)).collect()
    }

    /// A relation of one of these kinds.
    pub fn relation(&self, dice: &mut Dice, kinds: &str) -> Option<&Relation> {
        dice.pick(&self.of(kinds)).copied()
    }

    /// A table, partitioned or not.
    pub fn table(&self, dice: &mut Dice) -> Option<&Relation> {
        self.relation(dice, "rp")
    }

    /// A table and one of its columns.
    pub fn column(&self, dice: &mut Dice) -> Option<(&Relation, &Column)> {
        let table = self.table(dice)?;
        Some((table, dice.pick(&table.columns)?))
    }

    /// Something that hangs on a table.
    pub fn part(&self, dice: &mut Dice, what: &str) -> Option<&Part> {
        let found: Vec<&Part> = self.parts.iter().filter(|part| part.what == what).collect();
        dice.pick(&found).copied()
    }

    /// A type of one of these kinds.
    pub fn type_(&self, dice: &mut Dice, kinds: &str) -> Option<&Type> {
        let found: Vec<&Type> = self.types.iter().filter(|found| kinds.contains(found.kind)).collect();
        dice.pick(&found).copied()
    }

    /// A function of one of these kinds; with or without those triggers call.
    pub fn function(&self, dice: &mut Dice, for_triggers: bool) -> Option<&Function> {
        let found: Vec<&Function> =
            self.functions.iter().filter(|found| (found.returns == "trigger") == for_triggers).collect();
        dice.pick(&found).copied()
    }

    /// A schema and a new name in it.
    pub fn place(&self, dice: &mut Dice, stem: &str) -> String {
        let schema =
            if dice.below(10) < 7 { "public" } else { dice.pick(&self.schemas).map_or("public", String::as_str) };
        format!("{schema}.{}", dice.name(stem))
    }

    /// An expression of this type over an integer, such as the column `n`; none where nobody has thought of one.
    pub fn value(&self, type_name: &str, n: &str, depth: u8) -> Option<String> {
        if depth > 4 {
            return None;
        }
        if let Some(element) = type_name.strip_suffix("[]") {
            return Some(format!("ARRAY[{}]::{type_name}", self.value(element, n, depth + 1)?));
        }
        if let Some(found) = self.types.iter().find(|found| found.full == type_name) {
            return match found.kind {
                'e' if found.labels.is_empty() => None,
                'e' => Some(format!("(enum_range(NULL::{type_name}))[1 + ({n} % {})]", found.labels.len())),
                'd' => Some(format!("({})::{type_name}", self.value(&found.base, n, depth + 1)?)),
                _ => {
                    let each: Option<Vec<String>> =
                        found.attributes.iter().map(|(_, attribute)| self.value(attribute, n, depth + 1)).collect();
                    Some(format!("ROW({})::{type_name}", each?.join(", ")))
                }
            };
        }
        let head = type_name.split('(').next().unwrap_or(type_name);
        Some(match head {
            "smallint" | "integer" | "bigint" => format!("({n} * 7 % 101)::{head}"),
            "numeric" => format!("({n} * 1.25)::numeric"),
            "real" | "double precision" => format!("({n} / 3.0)::{head}"),
            "text" | "character varying" | "character" => format!("('v' || {n})"),
            "boolean" => format!("({n} % 2 = 0)"),
            "date" => format!("(date '2024-02-27' + {n})"),
            "timestamp without time zone" => format!("(timestamp '2024-02-28 23:00' + {n} * interval '25 minutes')"),
            "timestamp with time zone" => format!("(timestamptz '2024-03-30 23:00+00' + {n} * interval '25 minutes')"),
            "interval" => format!("({n} * interval '1 day 2 hours')"),
            "uuid" => format!("md5({n}::text)::uuid"),
            "jsonb" => format!("jsonb_build_object('a', {n})"),
            "json" => format!("json_build_object('b', {n}, 'a', 1)"),
            "bytea" => format!("decode(md5({n}::text), 'hex')"),
            "inet" => format!("('10.0.0.1'::inet + {n})"),
            "int4range" => format!("int4range({n}, {n} + 5)"),
            _ => return None,
        })
    }

    /// A type for a column.
    pub fn column_type(&self, dice: &mut Dice) -> String {
        const BUILT_IN: [&str; 20] = [
            "integer",
            "bigint",
            "smallint",
            "text",
            "text",
            "character varying(20)",
            "numeric(10,2)",
            "boolean",
            "date",
            "timestamp with time zone",
            "timestamp without time zone",
            "uuid",
            "jsonb",
            "json",
            "bytea",
            "inet",
            "integer[]",
            "double precision",
            "character(5)",
            "int4range",
        ];
        match dice.below(10) {
            0..7 => dice.word(&BUILT_IN).to_owned(),
            kind => match dice.pick(&self.types) {
                Some(found) if kind == 7 && found.kind != 'd' => format!("{}[]", found.full),
                Some(found) => found.full.clone(),
                None => dice.word(&["text[]", "interval", "numeric", "character varying"]).to_owned(),
            },
        }
    }
}
