//! The layout of the Supabase command: numbered files sent statement by statement in a pipeline, with their text in the
//! history.

use super::{
    Cut, Evidence, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands, files_in,
    found, literal, sort_by_version,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection, missing, refuse_missing};
use crate::migration::script::Dialect;
use crate::migration::script::{self, StatementKind, kind};
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Supabase's command 3, `supabase db push`.
#[derive(Debug)]
pub struct Supabase;

/// Several of its services have a table of this name; only this one keeps statements.
const HISTORY: HistoryShape =
    HistoryShape { columns: &["version", "name", "statements"], later: &[], foreign: &[], order: "version" };

const TABLE: &str = "supabase_migrations.schema_migrations";

/// The first line with which a file does without any transaction.
const NO_TRANSACTION: &str = "-- pg-delta: transaction=false";

/// Attribute of a piece that runs alone, outside any transaction.
const ALONE: &str = "alone";

/// Attribute of a piece after which more of its file follows: the version is noted down with the last one.
const CONTINUES: &str = "continues";

/// Version and name; `None` for files that are passed over.
fn version(file_name: &str) -> Option<(&str, &str)> {
    let (version, name) = file_name.strip_suffix(".sql")?.split_once('_')?;
    (!version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())).then_some((version, name))
}

/// The first migration that early releases wrote into each project; they do not run it any more.
fn is_old_init(file_name: &str) -> bool {
    file_name.find("_init.sql").is_some_and(|at| {
        let stamp = at.checked_sub(14).and_then(|start| file_name.get(start..at));
        stamp
            .filter(|stamp| stamp.bytes().all(|byte| byte.is_ascii_digit()))
            .is_some_and(|stamp| stamp < "20211209000000")
    })
}

impl Layout for Supabase {
    fn name(&self) -> &'static str {
        "supabase"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["supabase/migrations"]
    }

    fn supports(&self, dialect: Dialect) -> bool {
        dialect == Dialect::PostgreSql
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "that is fixed; a file opts out with `-- pg-delta: transaction=false` as its first line",
            out_of_order: true,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        let named = site.scripts().any(|name| version(name).is_some());
        if !named || site.speaks_of_another(self.name()) {
            return None;
        }
        match site.ends_with("migrations") && site.has("../config.toml") && site.ends_with("supabase/migrations") {
            true => Some(Evidence::marker("supabase/config.toml is beside it")),
            false if site.ends_with("supabase/migrations") => {
                Some(Evidence::dependency("supabase/migrations is where it keeps its files"))
            }
            false => None,
        }
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, TABLE);
        tree.create_history = create_history(&table);
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        let mut read = Vec::new();
        for (at, (file_name, path)) in files.iter().enumerate() {
            if at == 0 && tree.directory_given && is_old_init(file_name) {
                tree.notes.push(format!("{file_name}: passed over as Supabase does with the `init` of early releases"));
                continue;
            }
            match version(file_name) {
                Some((version, name)) => {
                    let (source, marked) = folder.read(file_name, path)?;
                    let file = MigrationFile {
                        version: version.to_owned(),
                        name: name.to_owned(),
                        up: Script::whole(source),
                        down: None,
                        checksum: None,
                        byte_order_mark: marked,
                        attributes: BTreeMap::new(),
                    };
                    read.push((version.to_owned(), file));
                }
                None if file_name.ends_with(".sql") => {
                    tree.notes
                        .push(format!("{file_name}: passed over as Supabase does: not named <number>_<name>.sql"));
                }
                None => {}
            }
        }
        sort_by_version(&mut read)?;
        // By name, as they run: of versions of different length, the text decides.
        read.sort_by(|(_, left), (_, right)| left.file().path.file_name().cmp(&right.file().path.file_name()));
        tree.files = read.into_iter().flat_map(|(_, file)| pieces(file)).collect();
        tree.refuse_empty(&directory, "files named <number>_<name>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let applied = Applied::versions(rows, "no version")?;
        refuse_missing(tree, &missing(tree, &applied))?;
        let mut selection = Selection::absent(tree, &applied);
        let Some(newest) = applied.iter().map(|row| &row.version).max() else { return Ok(selection) };
        let pending = selection.pending.iter().filter_map(|at| tree.files.get(*at));
        let mut older: Vec<&str> =
            pending.filter(|file| file.version < *newest).map(|file| file.file().name.as_str()).collect();
        older.dedup();
        if older.is_empty() {
            return Ok(selection);
        }
        let older = older.join(", ");
        if tree.options.out_of_order == Some(true) {
            selection.notes.push(format!("older than version {newest}, run all the same: {older}"));
            return Ok(selection);
        }
        let reason = format!(
            "older than version {newest}, which is applied already: {older}. Give them newer versions, or set `out_of_order` if --include-all is given"
        );
        Err(MigrationError::Refused { layout: self.name(), reason })
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let (transaction, in_transaction) = if kinds.iter().any(StatementKind::is_transaction_control) {
            (TransactionMode::Explicit, false)
        } else if opts_out(source) || file.attribute(ALONE).is_some() {
            (TransactionMode::None, false)
        } else {
            (TransactionMode::PerMigration, true)
        };
        let table = tree.history_table();
        let (version, name) = (literal(&file.version), literal(version_name(file)));
        let history = file.attribute(CONTINUES).is_none().then(|| HistoryWrite {
            table: table.to_owned(),
            applied: vec![format!(
                "INSERT INTO {table}(version, name, statements) VALUES({version}, {name}, ARRAY[{}]::text[])",
                noted_down(source).join(", ")
            )],
            in_transaction,
            undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
            ..HistoryWrite::default()
        });
        Ok(Grouping { transaction, history, notes: Vec::new() })
    }

    fn connection(&self, _tree: &MigrationTree) -> Connection {
        // It keeps its session and begins each file with RESET ALL.
        Connection { fresh_for_each: true, ..Connection::default() }
    }
}

fn create_history(table: &str) -> Vec<String> {
    let schema = table.rsplit_once('.').map(|(schema, _)| format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    let rest = [
        format!("CREATE TABLE IF NOT EXISTS {table} (version text NOT NULL PRIMARY KEY)"),
        format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS statements text[]"),
        format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS name text"),
    ];
    schema.into_iter().chain(rest).collect()
}

/// The name in the file's name, whichever piece of it this is.
fn version_name(file: &MigrationFile) -> &str {
    let path = file.file().path.file_name().and_then(|name| name.to_str());
    path.and_then(version).map_or(file.name.as_str(), |(_, name)| name)
}

fn opts_out(source: &SourceFile) -> bool {
    source.text.lines().next() == Some(NO_TRANSACTION)
}

/// What the history keeps of a file, as literals: each statement with the comments before it, without its semicolon.
fn noted_down(source: &SourceFile) -> Vec<String> {
    let text = &source.text;
    // What cannot be cut was refused before.
    let spans = script::split(text).unwrap_or_default();
    let mut at = 0;
    let mut statements: Vec<&str> = Vec::new();
    for span in spans {
        statements.push(text[at..span.end].trim());
        let semicolon = text[span.end..].find(';').map_or(text.len(), |found| span.end + found + 1);
        at = semicolon;
    }
    statements.push(text[at..].trim().trim_matches(';').trim());
    statements.iter().filter(|statement| !statement.is_empty()).map(|statement| literal(statement)).collect()
}

/// A statement that is sent by itself, between two pipelines.
fn runs_alone(sql: &str, is_first: bool) -> bool {
    match kind(sql) {
        StatementKind::CreateIndex { concurrently }
        | StatementKind::DropIndex { concurrently }
        | StatementKind::Reindex { concurrently, many_tables: false } => concurrently,
        StatementKind::Vacuum => true,
        // Others that need it are only let through where nothing was sent before.
        StatementKind::Reindex { concurrently, .. } => concurrently || is_first,
        StatementKind::AlterTable { detach_concurrently } => detach_concurrently && is_first,
        StatementKind::OutsideTransaction(words) => is_first || words.starts_with("ALTER SYSTEM") || words == "CLUSTER",
        StatementKind::Other(words) => words.split(' ').next() == Some("CLUSTER"),
        _ => false,
    }
}

/// The pieces of a file: what a pipeline holds is one transaction, and some statements stand between pipelines. Each
/// is a migration here.
fn pieces(file: MigrationFile) -> Vec<MigrationFile> {
    const WORDS: [&str; 7] = ["concurrently", "vacuum", "cluster", "system", "database", "tablespace", "subscription"];
    let source = Arc::clone(file.file());
    let lower = source.text.to_ascii_lowercase();
    if opts_out(&source) || !WORDS.iter().any(|word| lower.contains(word)) {
        return vec![file];
    }
    // What cannot be cut is refused once it is pending.
    let spans = script::split(&source.text).unwrap_or_default();
    if spans.iter().any(|span| kind(&source.text[span.clone()]).is_transaction_control()) {
        return vec![file];
    }
    let mut pieces: Vec<(Range<usize>, bool)> = Vec::new();
    for span in spans {
        let is_first = pieces.last().is_none_or(|(_, alone)| *alone);
        let alone = runs_alone(&source.text[span.clone()], is_first);
        match pieces.last_mut() {
            Some((range, false)) if !alone => range.end = span.end,
            _ => pieces.push((span, alone)),
        }
    }
    let count = pieces.len();
    if count == 0 {
        return vec![file];
    }
    let piece = |(at, (range, alone)): (usize, (Range<usize>, bool))| {
        let up = Script { file: Arc::clone(&source), parts: vec![range] };
        let mut piece = MigrationFile { up, ..file.clone() };
        if count > 1 {
            piece.name = format!("{} ({} of {count})", file.name, at + 1);
        }
        let mark = |name: &str| (name.to_owned(), "true".to_owned());
        piece.attributes.extend(alone.then(|| mark(ALONE)));
        piece.attributes.extend((at + 1 < count).then(|| mark(CONTINUES)));
        piece
    };
    pieces.into_iter().enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Supabase, &[folder.path().to_owned()], folder.path())
    }

    /// How each piece of a file with this text runs: its statements, mode, and what is noted down.
    fn pieces_of(text: &str) -> Vec<(Vec<String>, TransactionMode, Option<HistoryWrite>)> {
        let tree = read(&[("7_it's.sql", text)]).expect("readable");
        let each = |file: &MigrationFile| {
            let cuts = Supabase.cut(&tree, file, &file.up).expect("SQL");
            let sql = cuts.iter().map(|cut| cut.sql(file.file()).to_owned()).collect();
            let grouping = Supabase.grouping(&tree, file, &cuts, None).expect("groups");
            (sql, grouping.transaction, grouping.history)
        };
        tree.files.iter().map(each).collect()
    }

    fn rows(versions: &[&str]) -> Vec<Row> {
        versions.iter().map(|version| vec![Some((*version).to_owned()), None, None]).collect()
    }

    #[test]
    fn names_are_digits_and_run_in_the_order_of_text() {
        let tree = read(&[
            ("20211208235959_init.sql", "SELECT 0"),
            ("20260801_b.sql", "SELECT 1"),
            ("12_x.up.sql", "SELECT 2"),
            ("20260902_.sql", "SELECT 3"),
            ("seed.sql", "SELECT 4"),
            ("20260903_dir/migration.sql", "SELECT 5"),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("12", "x.up"), ("20211208235959", "init"), ("20260801", "b"), ("20260902", "")]);
        assert_eq!(tree.notes, ["seed.sql: passed over as Supabase does: not named <number>_<name>.sql"]);
        let init = read(&[("20211208235959_init.sql", "SELECT 0"), ("20260801_b.sql", "SELECT 1")]).expect("readable");
        assert_eq!(init.files.len(), 1);
        assert!(init.notes[0].contains("`init` of early releases"), "{:?}", init.notes);
        let twice = read(&[("1_a.sql", "SELECT 1"), ("1_b.sql", "SELECT 1")]);
        assert!(matches!(twice, Err(MigrationError::DuplicateVersion { .. })));
    }

    #[test]
    fn the_folders_name_and_the_configuration_beside_it_give_it_away() {
        let detect = |files: &[(&str, &str)], directory: &str| {
            let folder = folder(files);
            Supabase.detect(&Site::new(&[folder.path().join(directory)]).expect("readable"))
        };
        let file = ("supabase/migrations/1_a.sql", "SELECT 1");
        let with = detect(&[file, ("supabase/config.toml", "")], "supabase/migrations").expect("its own");
        assert_eq!(with.why, "supabase/config.toml is beside it");
        assert!(detect(&[file], "supabase/migrations").is_some());
        assert!(detect(&[("db/migrations/1_a.sql", "SELECT 1"), ("db/config.toml", "")], "db/migrations").is_none());
        let goose = ("supabase/migrations/1_a.sql", "-- +goose Up\nSELECT 1;");
        assert!(detect(&[goose, ("supabase/config.toml", "")], "supabase/migrations").is_none());
    }

    #[test]
    fn a_file_is_one_transaction_with_its_row() {
        let pieces = pieces_of("\u{feff}-- why\nSELECT 'a;b';\n/* c */ SELECT 2;;\n-- tail\n");
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].0.len(), pieces[0].1), (2, TransactionMode::PerMigration));
        let history = pieces[0].2.as_ref().expect("a row");
        assert!(history.in_transaction);
        assert_eq!(
            history.applied,
            ["INSERT INTO supabase_migrations.schema_migrations(version, name, statements) VALUES('7', 'it''s', \
              ARRAY['-- why\nSELECT ''a;b''', '/* c */ SELECT 2', '-- tail']::text[])"]
        );
        let empty = pieces_of("");
        assert!(empty[0].2.as_ref().expect("a row").applied[0].ends_with("ARRAY[]::text[])"));
    }

    #[test]
    fn statements_that_cannot_be_in_a_transaction_stand_between_pipelines() {
        let modes = |text: &str| -> Vec<(usize, TransactionMode, Option<bool>)> {
            let pieces = pieces_of(text);
            pieces
                .into_iter()
                .map(|(sql, mode, history)| (sql.len(), mode, history.map(|history| history.in_transaction)))
                .collect()
        };
        use TransactionMode::{Explicit, None as Bare, PerMigration};
        assert_eq!(modes("CREATE INDEX CONCURRENTLY i ON t (a);"), [(1, Bare, Some(false))]);
        assert_eq!(
            modes("SELECT 1; SELECT 2; VACUUM t; SELECT 3;"),
            [(2, PerMigration, None), (1, Bare, None), (1, PerMigration, Some(true))]
        );
        assert_eq!(modes("SELECT 1; DROP INDEX CONCURRENTLY i"), [(1, PerMigration, None), (1, Bare, Some(false))]);
        assert_eq!(modes("CREATE DATABASE d; SELECT 1"), [(1, Bare, None), (1, PerMigration, Some(true))]);
        assert_eq!(modes("SELECT 1; CREATE DATABASE d"), [(2, PerMigration, Some(true))], "which the server refuses");
        assert_eq!(modes("REFRESH MATERIALIZED VIEW CONCURRENTLY m"), [(1, PerMigration, Some(true))]);
        assert_eq!(modes("BEGIN; SELECT 1; COMMIT; VACUUM t"), [(4, Explicit, Some(false))]);
        assert_eq!(modes("-- pg-delta: transaction=false\r\nSELECT 1; VACUUM t"), [(2, Bare, Some(false))]);
        assert_eq!(pieces_of("VACUUM t; SELECT 1").len(), 2);
    }

    #[test]
    fn versions_without_a_file_and_late_ones_are_refused() {
        let mut tree = read(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2; VACUUM"), ("3_c.sql", "SELECT 3")])
            .expect("readable");
        assert_eq!(tree.files[1].name, "b (1 of 2)");
        let pending = |tree: &MigrationTree, versions: &[&str]| {
            Supabase.select(tree, Some(&rows(versions))).map(|selection| selection.pending)
        };
        assert_eq!(pending(&tree, &["1"]).expect("two files"), [1, 2, 3]);
        assert_eq!(pending(&tree, &[]).expect("all").len(), 4);
        assert!(matches!(pending(&tree, &["1", "9"]), Err(MigrationError::VersionMissing { .. })));
        let message = pending(&tree, &["1", "3"]).expect_err("late").to_string();
        assert!(message.contains("older than version 3, which is applied already: 2_b.sql."), "{message}");
        tree.options.out_of_order = Some(true);
        assert_eq!(pending(&tree, &["1", "3"]).expect("included"), [1, 2]);
    }
}
