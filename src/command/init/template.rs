//! The text of a new `seatrial.toml`. Every key stands in it: `#key = value` shows a default, and taking the `#` away
//! changes nothing; `#   ` begins an example.

use super::detect::Found;

/// The file for what was found.
pub(super) fn render(found: &Found) -> String {
    let mut text = String::new();
    for part in TEMPLATE.split_inclusive('\n') {
        match part.trim_end() {
            "@migrations" => text.push_str(&migrations(found)),
            "@queries" => text.push_str(&queries(found)),
            _ => text.push_str(part),
        }
    }
    text
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn migrations(found: &Found) -> String {
    if let Some((migrations, layout)) = found.chosen() {
        return format!("migrations = {}\nlayout = {}\n", quoted(&migrations.folder), quoted(layout));
    }
    let mut text = String::new();
    if !found.migrations.is_empty() {
        text.push_str("# Found:\n");
    }
    for each in &found.migrations {
        text.push_str(&format!("#   migrations = {}\n", quoted(&each.folder)));
        match &each.layout {
            Ok(layout) => text.push_str(&format!("#   layout = {}\n", quoted(layout))),
            Err(tool) => text.push_str(&format!("#     # files of {}\n", tool.replace(char::is_control, " "))),
        }
    }
    if found.migrations.is_empty() {
        text.push_str("#   migrations = \"db/migrations\"\n#   layout = \"sqlx\"\n");
    }
    text
}

fn queries(found: &Found) -> String {
    let usable: Vec<String> =
        found.queries.iter().filter(|each| each.count.is_ok()).map(|each| quoted(&each.path)).collect();
    if usable.is_empty() { "#queries = []\n".to_owned() } else { format!("queries = [{}]\n", usable.join(", ")) }
}

const TEMPLATE: &str = r##"# What `seatrial check` would otherwise be told on the command line, whose options have the same names and come first.
# Paths are relative to this file. Seatrial's docs/configuration.md explains every key.
#
# `#key = value` shows what holds anyway: taking the # away changes nothing. `#   ` begins an example.

# A file or a folder of migrations, and the tool whose files they are. Left out: the one folder of the project in
# which a migration tool keeps them, and whichever layout its files have.
@migrations
# Where migrations are code, the tool itself runs against a copy, with DATABASE_URL set, and what it sends is rehearsed;
# only with --run-command, since it is the project's own code. docs/commands.md says more.
#   command = "alembic upgrade head"
#   command_variable = "APP_DATABASE"
#   command_url = "postgresql+psycopg://{role}@/{database}?host={host}&port={port}"

# Where real data comes from: a dump (what pg_dump wrote), "-" for one on standard input, a stopped data directory,
# postgres://…, "sqlite:app.db", or "empty". A URL and a database file are only ever read.
#   source = "production.dump"
# The engine, where the source does not say it: "postgresql" or "sqlite".
#   engine = "postgresql"
# What the source is, where that does not show: "subset" for some of the rows, or masked ones.
#   fidelity = "subset"

# Files and folders of hot queries: .sql files with `-- name:` lines. Without any, nobody knows what gets slower.
@queries

# For files no layout fits (a regular expression over their names), and for tools set up in an unusual way. Left out: the
# layout's own way.
#   pattern = '(?<version>\d+)-(?<name>.+)\.(?<direction>up|down)\.sql'
#   history_table = "public.schema_migrations"
#   transaction = "per_migration"     # or "none", "all_pending"
#   out_of_order = true

# The role migrations run as. Left out: the owner of most tables. Never a superuser.
#   role = "app"
# The search path of migrations and hot queries. Left out: what the role and the database have.
#   schema = "shop, public"
# Extensions that only a superuser may create, and that migrations may create all the same.
#extensions = []
# Which database of a dump of a whole cluster, or of a data directory.
#   database = "shop"

# What is run: measure, prove, attribute, traffic, queue, retry, or all. Empty: measure and prove, and attribute when a
# plan changed.
#passes = []
# On request, on copies of their own: what hot queries that write pay before and after, and the time that changed ones
# take (advice, never a verdict).
#measure_writes = false
#measure_time = false
# Whether a source that is a running server is asked how it plans the hot queries (EXPLAIN, read-only).
#calibrate = true
# Budgets. Left out: none.
#   max_time = "20m"
#   max_disk = "20GB"

# Exit code 1 from this level on: error, warning or never.
#fail_on = "error"
# Answers that may not stay unknown: applies, blocks, slower, undoable.
#require = []
# Nothing pending is exit code 3.
#require_pending = false

# text, json, markdown, html, sarif, junit, github or gitlab, each with =FILE to write a file.
#format = ["text"]
# A folder for report.json, report.md, report.html, prepare.sql, rollback.sql and cleanup.sql. Left out: none are written.
#   out = "report"

# A base made from a URL is used again for so long.
#max_age = "24h"
# Disk that bases may take; what nobody uses goes, longest unused first.
#max_cache = "50GB"
# Where bases are kept. Left out: ~/.cache/seatrial, or /var/cache/seatrial for root.
#   cache_dir = "/big/disk/seatrial"
# A folder of server binaries. Left out: the nearest that is not older than the source.
#   postgres_bin = "/usr/lib/postgresql/17/bin"

# From which size on something is worth a finding.
[thresholds]
# Rewrites, scans and index builds of tables with fewer rows are not reported.
#rows = 10000
# Nor those of fewer rows that take less than this.
#bytes = "100MB"
# Tables whose locks are reported whatever their size.
#hot_tables = []
# A blocking lock held longer than this is reported, in milliseconds.
#held_ms = 1000.0
# From this lock_timeout or statement_timeout on, a statement waits practically for ever, in milliseconds.
#lock_wait_ms = 60000.0
# Rows updated or deleted by one statement before it counts as large.
#update_rows = 10000
# Existing tables locked against reads and writes in one transaction.
#tables = 5
# Part of its type's values from which on an integer key is near its end.
#key_share = 0.8
# A hot query counts as slower from so many times the work on, and at least so many more blocks.
#plan_ratio = 1.5
#plan_blocks = 100
# Or so many more blocks a minute, by its weight (calls a minute). From here on slower-same-plan is an error, too.
#plan_blocks_per_minute = 1000000.0
# On SQLite instead of blocks: so many more steps of its virtual machine, or so many more a minute.
#plan_steps = 50000
#plan_steps_per_minute = 500000000.0
# A hot query that waits for the migration longer than this is reported, in milliseconds (traffic and queue passes).
#stall_ms = 500.0
# How long the transactions last that the queue pass puts in front, in milliseconds.
#transaction_ms = 5000.0
# Longest one hot query may run, in milliseconds.
#query_ms = 30000

# What findings count as here: error, warning, info, or off.
#   [severity]
#   "lock/many-tables" = "error"
#   "index/unused" = "off"

# Values of placeholders in migrations.
#   [placeholders]
#   schema = "shop"

# Where copies are made, if not on servers of the run's own: on an existing server (SEATRIAL_COPIES_URL keeps a password
# out of this file), or of clones that a command or a service hands out. docs/providers.md has them all.
#   [copies]
#   provider = "server"
#   url = "postgres://ci@localhost:5432/postgres"

# What no SQLite file tells of the applications that open it: whether the connection that runs migrations enforces foreign keys, the oldest version of SQLite that runs them,
# and how long applications wait for the write lock.
#   [sqlite]
#   foreign_keys = true
#   version = "3.31"
#   busy_timeout_ms = 5000

# What is known of production: copies get its settings, and a report says how far they are from it. Seatrial's
# docs/production.sql prints this section, read-only and without values of user data:
#     psql -XqAt -f docs/production.sql "$PRODUCTION_URL"
#   [production]
#   version = "16.4"
#   [production.settings]
#   work_mem = "64MB"
#   random_page_cost = 1.1
#   jit = "on"
#   [production.role_settings.app]
#   lock_timeout = "5s"
#   [production.sizes]
#   database_bytes = 120000000000
#   "shop.orders" = 4000000

# Several databases in one project are rehearsed one after another. An entry sets what differs; the rest comes from
# above. `seatrial check --database NAME` rehearses one of them.
#   [[database]]
#   name = "shop"
#   migrations = "shop/migrations"
#   source = "shop.dump"
#   [[database]]
#   name = "ledger"
#   migrations = "ledger/migrations"
#   source = "ledger.dump"
"##;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::detect::{Migrations, Queries};
    use super::*;
    use crate::cli::CheckArgs;
    use crate::config::{FILE_NAME, Settings, json_schema};

    fn settings(text: &str) -> Vec<Settings> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let runs_a_command = text.lines().any(|line| line.starts_with("command ="));
        let args = CheckArgs { run_command: Some(runs_a_command).filter(|runs| *runs), ..CheckArgs::default() };
        let mut all = Settings::resolve(&args, folder.path()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        for each in &mut all {
            let here = folder.path();
            each.root = "/".into();
            let relative = |paths: &mut Vec<std::path::PathBuf>| {
                paths.iter_mut().for_each(|path| *path = path.strip_prefix(here).unwrap().to_owned());
            };
            relative(&mut each.migrations);
            relative(&mut each.queries);
        }
        all
    }

    /// With the `#` of these lines taken away.
    fn uncommented(text: &str, counts: impl Fn(&str) -> bool) -> String {
        let line = |line: &str| if counts(line) { line[1..].trim_start().to_owned() } else { line.to_owned() };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    fn shows_a_default(line: &str) -> bool {
        line.starts_with('#') && line[1..].starts_with(|first: char| first.is_ascii_lowercase() || first == '[')
    }

    fn some() -> Found {
        Found {
            migrations: vec![Migrations {
                folder: "db/\"odd\" names".to_owned(),
                layout: Ok("sqlx"),
                why: String::new(),
            }],
            queries: vec![
                Queries { path: "queries".to_owned(), count: Ok(3), why: String::new() },
                Queries { path: ".sqlx".to_owned(), count: Err("not yet".to_owned()), why: String::new() },
            ],
            ci: Vec::new(),
        }
    }

    #[test]
    fn a_new_file_holds_the_defaults_and_what_was_found() {
        assert_eq!(settings(&render(&Found::default())), settings(""));
        let mut expected = settings("");
        expected[0].migrations = vec!["db/\"odd\" names".into()];
        expected[0].layout = Some("sqlx".to_owned());
        expected[0].queries = vec!["queries".into()];
        assert_eq!(settings(&render(&some())), expected);
    }

    #[test]
    fn what_is_shown_as_a_default_is_one() {
        for found in [Found::default(), some()] {
            let text = render(&found);
            let all = uncommented(&text, shows_a_default);
            assert_ne!(all, text.trim_end());
            assert_eq!(settings(&all), settings(&text));
        }
    }

    #[test]
    fn every_example_can_be_taken_as_it_stands() {
        let two = Found { migrations: some().migrations.into_iter().chain(some().migrations).collect(), ..some() };
        for found in [Found::default(), two] {
            let text = render(&found);
            let lines: Vec<&str> = text.lines().collect();
            let is_example = |line: &str| line.starts_with("#   ") && !line.starts_with("#     ");
            // Block by block: some of them exclude each other. Of keys found twice only one can be taken.
            let mut blocks = 0;
            for start in 0..lines.len() {
                if !is_example(lines[start]) || start > 0 && is_example(lines[start - 1]) {
                    continue;
                }
                let mut block: Vec<String> = Vec::new();
                for line in lines[start..].iter().take_while(|line| is_example(line)) {
                    let line = line[4..].to_owned();
                    if line.starts_with('[') || !block.contains(&line) || lines[start].contains("[[") {
                        block.push(line);
                    }
                }
                let rest = lines[start + 1..].iter().copied().skip_while(|line| is_example(line));
                let whole = lines[..start].iter().copied().chain(block.iter().map(String::as_str)).chain(rest);
                settings(&whole.collect::<Vec<_>>().join("\n"));
                blocks += 1;
            }
            assert!(blocks > 8, "{blocks}");
        }
    }

    #[test]
    fn every_key_stands_in_it() {
        let text = render(&Found::default());
        let schema = json_schema();
        let keys = |of: &serde_json::Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let tables = ["thresholds", "severity", "copies", "sqlite", "production", "placeholders", "database"];
        for key in keys(&schema["properties"]).into_iter().filter(|key| !tables.contains(&key.as_str())) {
            let there = [format!("#{key} = "), format!("#   {key} = ")];
            assert!(there.iter().any(|line| text.contains(line.as_str())), "{key}");
        }
        for key in keys(&schema["$defs"]["ThresholdKeys"]["properties"]) {
            assert!(text.contains(&format!("#{key} = ")), "{key}");
        }
        for table in [
            "[thresholds]",
            "[severity]",
            "[placeholders]",
            "[copies]",
            "[sqlite]",
            "[production]",
            "[[database]]",
            "database = ",
        ] {
            assert!(text.contains(table), "{table}");
        }
    }
}
