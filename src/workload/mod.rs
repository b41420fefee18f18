//! Hot queries: what the application runs often enough that it must not get slower.

pub mod draw;
pub mod import;
pub mod naming;
pub mod parameter;
pub mod source;

use crate::migration::SourceFile;
use crate::migration::script;
use crate::migration::script::Dialect;
use crate::migration::script::lexer::Lexer;
use std::sync::Arc;

/// A registered query.
#[derive(Debug, Clone, PartialEq)]
pub struct HotQuery {
    /// Unique name, from the `-- name:` header.
    pub name: String,
    /// Team or person to tell.
    pub owner: Option<String>,
    /// The file it stands in.
    pub file: Arc<SourceFile>,
    /// Byte offset of the statement in the file.
    pub offset: usize,
    /// The text with every parameter rewritten to `$n`, no terminating semicolon.
    pub sql: String,
    /// Name of each `$n`, in order; a positional parameter's name is its number.
    pub parameters: Vec<String>,
    /// Type of each `$n` where the source knows it, `unknown` for one the server is to infer; empty when it infers all.
    pub types: Vec<String>,
    /// Values to plan and run it with; when none are given they are drawn, where that is possible.
    pub sets: Vec<ParameterSet>,
    /// How often it runs compared with others (calls a minute); 1 when not given.
    pub weight: f64,
    /// What the caller expects, for people.
    pub expect: Option<String>,
    /// What it must never do, whatever it did before.
    pub gates: Gates,
    /// Where its own limits differ from the project's.
    pub limits: Limits,
    /// Role it runs as instead of the migration's role.
    pub role: Option<String>,
    /// `SET` name and value (as written) before it runs.
    pub settings: Vec<(String, String)>,
    /// Search path it runs under, as written.
    pub search_path: Option<String>,
}

impl HotQuery {
    /// A query of which nothing is known but its name and its text, with parameters as `$n`.
    pub fn bare(name: &str, sql: &str) -> Self {
        let file = SourceFile { path: "query.sql".into(), name: "query.sql".to_owned(), text: sql.to_owned() };
        Self {
            name: name.to_owned(),
            owner: None,
            file: Arc::new(file),
            offset: 0,
            sql: sql.to_owned(),
            parameters: Vec::new(),
            types: Vec::new(),
            sets: Vec::new(),
            weight: 1.0,
            expect: None,
            gates: Gates::default(),
            limits: Limits::default(),
            role: None,
            settings: Vec::new(),
            search_path: None,
        }
    }
}

impl HotQuery {
    /// `PREPARE statement (types) AS …`.
    pub fn prepare(&self, statement: &str) -> String {
        let types = if self.types.is_empty() { String::new() } else { format!(" ({})", self.types.join(", ")) };
        format!("PREPARE {statement}{types} AS {}", self.sql)
    }

    /// Its file and line, for people.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.name, self.file.position(self.offset).line)
    }
}

/// Whether a statement of this text has a plan; else what it is, for people.
pub fn has_plan(sql: &str) -> Result<(), String> {
    has_plan_in(sql, Dialect::PostgreSql)
}

/// The same in the SQL of an engine.
pub fn has_plan_in(sql: &str, dialect: Dialect) -> Result<(), String> {
    const PLANNED: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "VALUES"];
    let own = match dialect {
        Dialect::PostgreSql => ["MERGE", "TABLE", "WITH"].as_slice(),
        Dialect::Sqlite => &["REPLACE", "WITH"],
    };
    let is_planned = |word: &str| PLANNED.contains(&word) || own.contains(&word);
    let tokens = Lexer::new_in(sql, dialect).filter(|token| !token.kind.is_trivia());
    let mut tokens = tokens.map(|token| &sql[token.span]);
    match tokens.find(|text| *text != "(").map(str::to_ascii_uppercase) {
        // What follows a first statement would run, where the first is only prepared.
        Some(word) if is_planned(&word) => match script::split_in(sql, dialect) {
            Ok(statements) if statements.len() == 1 => Ok(()),
            Ok(_) => Err("several statements in one text".to_owned()),
            Err(_) => Err("no whole statement".to_owned()),
        },
        Some(word) if word.starts_with(|first: char| first.is_ascii_alphabetic()) => Err(match dialect {
            Dialect::PostgreSql => format!("{word} is a utility statement, which has no plan"),
            Dialect::Sqlite => format!("{word} is a statement that has no plan"),
        }),
        _ => Err("no statement that has a plan".to_owned()),
    }
}

/// Absolute budgets: they need no state before to compare with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    /// Shared and local blocks one execution may touch.
    pub max_buffers: Option<u64>,
    /// Steps of SQLite's virtual machine that one execution may take.
    pub max_steps: Option<u64>,
    /// Indexes, bare or schema-qualified, each of which its plan must read.
    pub must_use_index: Vec<String>,
    /// Its plan may read no table of more rows than this from end to end.
    pub no_seq_scan_over: Option<u64>,
}

/// A query's own thresholds; what is `None` is the project's, see [`crate::config::Thresholds`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Work after, divided by work before, from which on it counts as slower.
    pub plan_ratio: Option<f64>,
    /// And at least so many more blocks.
    pub plan_blocks: Option<u64>,
    /// Or so many more steps of SQLite's virtual machine.
    pub plan_steps: Option<u64>,
    /// Longest it may run, in milliseconds.
    pub query_ms: Option<u64>,
}

/// Values for every parameter of a query, as SQL literals in `$n` order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSet {
    /// The set's name; `` (empty) for a query without parameters.
    pub name: String,
    /// SQL expressions, one for each `$n`.
    pub values: Vec<String>,
    /// Drawn from the copy's statistics ([`draw`]), not given: its values are user data, and its name tells their kind.
    pub drawn: bool,
}
