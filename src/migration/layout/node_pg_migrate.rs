//! The layout of node-pg-migrate, as far as its migrations are SQL: one transaction for everything pending, both
//! directions in one file.

use super::{
    Cut, Evidence, Folder, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    cut, files_in, found, literal,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection};
use crate::migration::script::Dialect;
use crate::migration::{HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// node-pg-migrate 9.
#[derive(Debug)]
pub struct NodePgMigrate;

/// The table of every release so far.
const HISTORY: HistoryShape =
    HistoryShape { columns: &["name", "run_on", "id"], later: &[], foreign: &[], order: "run_on, id" };

/// Where it is unless the runner is told otherwise.
const TABLE: &str = "\"public\".\"pgmigrations\"";

/// What ends the name of a migration written in code.
const CODE: [&str; 6] = [".js", ".ts", ".cjs", ".mjs", ".cts", ".mts"];

/// The attribute of a migration written in code, which is listed and cannot be read.
const IS_CODE: &str = "code";

impl Layout for NodePgMigrate {
    fn name(&self) -> &'static str {
        "node_pg_migrate"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn supports(&self, dialect: Dialect) -> bool {
        dialect == Dialect::PostgreSql
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[TransactionMode::PerMigration, TransactionMode::AllPending],
            otherwise: "node-pg-migrate opens a transaction for every SQL file, or one for all of them",
            out_of_order: true,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if !site.every_script(|name| prefix(name).is_some()) || site.speaks_of_another(self.name()) {
            return None;
        }
        let dependency = site.depends_on_in("package.json", &["node-pg-migrate"]);
        match (dependency, site.tool_by_contents()) {
            (Some(why), _) => Some(Evidence::dependency(why)),
            (None, Some((_, why))) => Some(Evidence::contents(why)),
            (None, None) => None,
        }
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, TABLE);
        tree.session = vec!["SET search_path TO \"public\"".to_owned()];
        tree.create_history = vec![format!(
            "CREATE TABLE {table} (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)"
        )];
        collect(files, &folder, &mut tree)?;
        tree.refuse_empty(&directory, "files named <number>_<name>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let applied = Applied::versions(rows, "no name")?;
        let out_of_step = applied.iter().zip(&tree.files).find(|(row, file)| row.version != file.version);
        match out_of_step {
            Some((row, file)) if tree.directory_given && tree.options.out_of_order != Some(true) => {
                Err(MigrationError::Refused {
                    layout: self.name(),
                    reason: format!(
                        "{} comes where {} was applied. Give a new file a number after those that are applied and bring back \
                         what was deleted, or set `out_of_order` if the runner is started with --no-check-order",
                        file.file().name,
                        row.version
                    ),
                })
            }
            _ => Ok(Selection::absent(tree, &applied)),
        }
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        if file.attribute(IS_CODE).is_some() {
            return Err(MigrationError::FileName {
                file: script.file.name.clone(),
                reason: "this migration is written in code, which is not run here: write the SQL it sends to a file \
                         (`node-pg-migrate up --dry-run` prints it) and rehearse that with --layout plain"
                    .to_owned(),
            });
        }
        cut::cut(script, tree.dialect())
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        let begin = file.up.parts.first().map_or(0, |part| part.start);
        if source.text[..begin].trim().is_empty() {
            tree.refuse_byte_order_mark(file)?;
        }
        let mut notes = Vec::new();
        if begin == 0 && file.down.as_ref().is_some_and(|down| Arc::ptr_eq(&down.file, source)) && runs_its_undo(file) {
            notes.push(format!(
                "{}: there is no `-- Up Migration` line, so node-pg-migrate runs all of the file, what stands below `-- Down Migration` included",
                source.name
            ));
        }
        let together = tree.options.transaction != Some(TransactionMode::PerMigration);
        if let Some(cut) = cuts.iter().find(|cut| cut.kind(source).is_transaction_control()) {
            let scope = if together { "the one over everything pending" } else { "its own" };
            notes.push(format!(
                "{}:{}: the script ends the runner's transaction, {scope}: what follows commits by itself",
                source.name,
                source.position(cut.span.start).line
            ));
        }
        let transaction = if together { TransactionMode::AllPending } else { TransactionMode::PerMigration };
        Ok(Grouping { transaction, history: Some(history_write(&file.version, tree.history_table())), notes })
    }
}

/// Whether what applies a file reaches into what undoes it.
fn runs_its_undo(file: &MigrationFile) -> bool {
    let ends = |script: &Script| script.parts.last().map(|part| part.end);
    file.down.as_ref().is_some_and(|down| ends(down) == ends(&file.up))
}

fn history_write(version: &str, table: &str) -> HistoryWrite {
    let name = literal(version);
    HistoryWrite {
        table: table.to_owned(),
        applied: vec![format!("INSERT INTO {table} (name, run_on) VALUES ({name}, NOW())")],
        in_transaction: true,
        undo: vec![format!("DELETE FROM {table} WHERE name={name}")],
        ..HistoryWrite::default()
    }
}

/// Reads the migrations among `found` into `tree`, in the order they run.
fn collect(found: Vec<(String, PathBuf)>, folder: &Folder, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let mut found: Vec<_> = found.into_iter().filter(|(name, _)| !name.starts_with('.')).collect();
    let ups: HashSet<String> =
        found.iter().filter_map(|(name, _)| name.strip_suffix(".up.sql").map(str::to_owned)).collect();
    let (downs, mut others): (Vec<_>, Vec<_>) =
        found.drain(..).partition(|(name, _)| name.strip_suffix(".down.sql").is_some_and(|stem| ups.contains(stem)));
    let downs: BTreeMap<String, PathBuf> = downs.into_iter().collect();
    others.sort_by(|(left, _), (right, _)| order(left, right));
    if !downs.is_empty() {
        tree.notes
            .push("files that end in .up.sql and .down.sql are read as pairs, as the `sql` loader does".to_owned());
    }
    for (file_name, path) in others {
        let (file, byte_order_mark) = folder.read(&file_name, &path)?;
        let refuse = |reason: &str| MigrationError::FileName { file: file.name.clone(), reason: reason.to_owned() };
        let Some(prefix) = prefix(&file_name) else {
            return Err(refuse(
                "node-pg-migrate takes every file of its folder for a migration and stops at a name without a number in front: move it elsewhere",
            ));
        };
        let (stem, extension) = file_name.rsplit_once('.').unwrap_or((&file_name, ""));
        let is_code = CODE.iter().any(|code| code[1..].eq_ignore_ascii_case(extension));
        if !is_code && !extension.eq_ignore_ascii_case("sql") {
            return Err(refuse(
                "node-pg-migrate takes every file of its folder for a migration and cannot load this one: move it elsewhere",
            ));
        }
        let pair = stem.strip_suffix(".up").and_then(|stem| Some((stem, downs.get(&format!("{stem}.down.sql"))?)));
        let version = pair.map_or(stem, |(stem, _)| stem);
        if version.contains('\'') {
            return Err(refuse(
                "node-pg-migrate does not quote names, so that this one breaks its SQL: rename the file",
            ));
        }
        let (up, down) = match pair {
            Some((stem, down)) => {
                let (down, _) = folder.read(&format!("{stem}.down.sql"), down)?;
                (Script::whole(Arc::clone(&file)), Some(Script::whole(down)))
            }
            None if is_code => (Script { file: Arc::clone(&file), parts: Vec::new() }, None),
            None => sections(&file),
        };
        tree.files.push(MigrationFile {
            name: version[prefix.len()..].trim_start_matches('_').to_owned(),
            version: version.to_owned(),
            up,
            down,
            checksum: None,
            byte_order_mark,
            attributes: is_code.then(|| (IS_CODE.to_owned(), extension.to_owned())).into_iter().collect(),
        });
    }
    Ok(())
}

/// What applies a file and what undoes it: from each one's line to the other's, or to the end.
fn sections(file: &Arc<SourceFile>) -> (Script, Option<Script>) {
    let end = file.text.len();
    let script = |part: Range<usize>| Script { file: Arc::clone(file), parts: vec![part] };
    let (up, down) = (section(&file.text, "up"), section(&file.text, "down"));
    let until = |start: usize, other: Option<usize>| start..other.filter(|other| *other > start).unwrap_or(end);
    (script(up.map_or(0..end, |up| until(up, down))), down.map(|down| script(until(down, up))))
}

/// Where the line stands that begins a section: a comment of nothing but dashes and space before `up migration`, which
/// may run over several lines.
fn section(text: &str, direction: &str) -> Option<usize> {
    let starts = |text: &str, word: &str| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        if line.trim_start().starts_with("--") {
            let rest = text[at..].trim_start_matches(|each: char| each.is_whitespace() || each == '-');
            if starts(rest, direction) {
                let rest = &rest[direction.len()..];
                if rest.starts_with(char::is_whitespace) && starts(rest.trim_start(), "migration") {
                    return Some(at);
                }
            }
        }
        at += line.len();
    }
    None
}

/// The digits a name begins with.
fn prefix(file_name: &str) -> Option<&str> {
    let digits = file_name.len() - file_name.trim_start_matches(|each: char| each.is_ascii_digit()).len();
    (digits > 0).then(|| &file_name[..digits])
}

/// By the number in front, then as dictionaries do: numbers by their value, punctuation not at all.
fn order(left: &str, right: &str) -> Ordering {
    let letters = |name: &str| {
        let mut key = Vec::new();
        let mut digits = String::new();
        for each in name.chars().filter(|each| each.is_alphanumeric()).chain(['\0']) {
            if each.is_ascii_digit() {
                digits.push(each);
                continue;
            }
            if !digits.is_empty() {
                let number = std::mem::take(&mut digits).trim_start_matches('0').to_owned();
                key.push((0, number.len(), number));
            }
            key.push((1, 0, each.to_lowercase().collect()));
        }
        key
    };
    number(left)
        .total_cmp(&number(right))
        .then_with(|| letters(left).cmp(&letters(right)))
        .then_with(|| right.cmp(left))
}

/// The number a name is ordered by: 17 digits are a moment in UTC, which counts in milliseconds like any other.
fn number(file_name: &str) -> f64 {
    let digits = prefix(file_name).unwrap_or_default();
    let moment = || {
        let spelled = format!(
            "{}-{}-{}T{}:{}:{}.{}Z",
            digits.get(..4)?,
            digits.get(4..6)?,
            digits.get(6..8)?,
            digits.get(8..10)?,
            digits.get(10..12)?,
            digits.get(12..14)?,
            digits.get(14..17)?
        );
        spelled.parse::<jiff::Timestamp>().ok().map(|moment| moment.as_millisecond() as f64)
    };
    let value = if digits.len() == 17 { moment() } else { digits.parse().ok() };
    value.unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with, read_named};
    use super::*;
    use crate::migration::history::pending;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&NodePgMigrate, &[folder.path().to_owned()], folder.path())
    }

    fn rows(names: &[&str]) -> Vec<Row> {
        names.iter().map(|name| vec![Some((*name).to_owned()), Some("2026-09-01 08:00:00".to_owned()), None]).collect()
    }

    fn versions(tree: &MigrationTree) -> Vec<&str> {
        tree.files.iter().map(|file| file.version.as_str()).collect()
    }

    fn sql(script: &Script) -> Vec<&str> {
        script.parts.iter().map(|part| script.file.text[part.clone()].trim()).collect()
    }

    #[test]
    fn a_number_orders_and_seventeen_digits_are_a_moment() {
        let files = [
            ("1788422400000_third.sql", ""),
            ("20260903080000001_fourth.sql", ""),
            ("2_first.sql", ""),
            ("0010_b-10.sql", ""),
            ("10_b_9.sql", ""),
            (".hidden", ""),
        ];
        let tree = read(&files).expect("readable");
        assert_eq!(
            versions(&tree),
            ["2_first", "10_b_9", "0010_b-10", "1788422400000_third", "20260903080000001_fourth"]
        );
        assert_eq!(tree.files[2].name, "b-10");
    }

    #[test]
    fn files_it_cannot_load_stop_it() {
        let message = |name| read(&[("1_a.sql", "SELECT 1"), (name, "x")]).expect_err("stops").to_string();
        assert!(message("README.md").contains("stops at a name without a number in front"));
        assert!(message("2_notes.txt").contains("cannot load this one"));
        assert!(message("2_it's.sql").contains("does not quote names"));
    }

    #[test]
    fn sections_begin_at_loosely_written_lines_and_end_at_each_other() {
        let sections = |text: &str| {
            let tree = read(&[("1_a.sql", text)]).expect("readable");
            let file = &tree.files[0];
            (sql(&file.up).join(""), file.down.as_ref().map(|down| sql(down).join("")))
        };
        let found = sections("-- header\n-- Up Migration\nSELECT 1;\n  ---- DOWN\tmigrations\nSELECT 2;");
        assert_eq!(found.0, "-- Up Migration\nSELECT 1;");
        assert_eq!(found.1.as_deref(), Some("---- DOWN\tmigrations\nSELECT 2;"));
        let turned = sections("-- Down Migration\nSELECT 2;\n--\n-- Up Migration\nSELECT 1;");
        assert_eq!(turned.0, "--\n-- Up Migration\nSELECT 1;");
        assert_eq!(turned.1.as_deref(), Some("-- Down Migration\nSELECT 2;"));
        assert_eq!(sections("-- the up migration\nSELECT 1;"), ("-- the up migration\nSELECT 1;".to_owned(), None));
    }

    #[test]
    fn a_file_without_an_up_line_runs_its_undo_too_and_says_so() {
        let files = [("1_a.sql", "SELECT 1;\n-- Down Migration\nSELECT 2;"), ("2_b.sql", "-- Up Migration\nSELECT 3;")];
        let found = pending(&read(&files).expect("readable"), None, None).expect("pending");
        assert_eq!(found.migrations[0].statements.len(), 2);
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        assert!(found.notes[0].starts_with("1_a.sql: there is no `-- Up Migration` line"));
    }

    #[test]
    fn pairs_of_files_are_one_migration() {
        let tree = read(&[("1_a.up.sql", "SELECT 1"), ("1_a.down.sql", "SELECT 2")]).expect("readable");
        assert_eq!(versions(&tree), ["1_a"]);
        assert_eq!(tree.files[0].down.as_ref().expect("an undo").file.text, "SELECT 2");
        assert!(tree.notes[0].contains("`sql` loader"));
    }

    #[test]
    fn code_may_be_applied_but_not_pending() {
        let files = [("1_a.js", "exports.up = () => {}"), ("2_b.sql", "SELECT 1")];
        let tree = read(&files).expect("readable");
        assert_eq!(pending(&tree, Some(&rows(&["1_a"])), None).expect("SQL only").migrations.len(), 1);
        let message = pending(&tree, None, None).expect_err("code").to_string();
        assert!(message.starts_with("1_a.js: this migration is written in code"), "{message}");
    }

    #[test]
    fn the_order_of_what_was_applied_is_checked() {
        let tree = read(&[("1_a.sql", ""), ("2_b.sql", ""), ("3_c.sql", "")]).expect("readable");
        let select = |tree: &MigrationTree, names: &[&str]| NodePgMigrate.select(tree, Some(&rows(names)));
        assert_eq!(select(&tree, &["1_a"]).expect("in order").pending, [1, 2]);
        assert_eq!(select(&tree, &["1_a", "2_b", "3_c", "4_gone"]).expect("the last may be gone").pending, [0; 0]);
        for out_of_step in [&["2_b"][..], &["1_a", "0_gone"]] {
            let message = select(&tree, out_of_step).expect_err("stops").to_string();
            assert!(message.contains("--no-check-order"), "{message}");
        }
        let lenient = MigrationTree {
            options: super::super::LayoutOptions { out_of_order: Some(true), ..Default::default() },
            ..tree
        };
        assert_eq!(select(&lenient, &["2_b"]).expect("not checked").pending, [0, 2]);
    }

    #[test]
    fn everything_pending_is_one_transaction_unless_told_otherwise() {
        let tree = read(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2; COMMIT")]).expect("readable");
        let found = pending(&tree, None, None).expect("pending");
        assert!(found.migrations.iter().all(|each| each.transaction == TransactionMode::AllPending));
        assert_eq!(found.migrations[0].session, ["SET search_path TO \"public\""]);
        let history = found.migrations[0].history.as_ref().expect("a row");
        assert_eq!(history.applied, ["INSERT INTO \"public\".\"pgmigrations\" (name, run_on) VALUES ('1_a', NOW())"]);
        assert_eq!(history.undo, ["DELETE FROM \"public\".\"pgmigrations\" WHERE name='1_a'"]);
        assert!(found.notes[0].starts_with("2_b.sql:1: the script ends the runner's transaction"), "{:?}", found.notes);
        let mut each = tree;
        each.options.transaction = Some(TransactionMode::PerMigration);
        let found = pending(&each, None, None).expect("pending");
        assert!(found.migrations.iter().all(|each| each.transaction == TransactionMode::PerMigration));
    }

    #[test]
    fn a_byte_order_mark_counts_where_it_is_sent_and_nothing_at_all_is_a_migration() {
        let message = |text: &str| {
            pending(&read(&[("1_a.sql", text)]).expect("readable"), None, None)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert!(message("\u{feff}-- Up Migration\nSELECT 1").expect_err("sent").contains("byte order mark"));
        assert_eq!(message("\u{feff}-- header\nSELECT 0;\n-- Up Migration\nSELECT 1"), Ok(()));
        assert_eq!(message(""), Ok(()));
    }

    #[test]
    fn its_lines_or_its_package_give_it_away_and_numbers_alone_do_not() {
        let layout = |files: &[(&str, &str)]| {
            let folder = folder(files);
            read_named(&[folder.path().join("migrations")], None, folder.path()).expect("readable").layout
        };
        assert_eq!(layout(&[("migrations/1_a.sql", "-- Up Migration\nSELECT 1")]), "node_pg_migrate");
        let package = ("package.json", "{\"dependencies\": {\"node-pg-migrate\": \"^9.0.0\"}}");
        let git = (".git/HEAD", "");
        assert_eq!(layout(&[("migrations/1_a.sql", "SELECT 1"), package, git]), "node_pg_migrate");
        assert_eq!(layout(&[("migrations/1_a.sql", "SELECT 1"), git]), "sqlx");
    }
}
