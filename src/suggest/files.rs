//! Suggestions as files: a migration with its steps in place, cut where a transaction has to end, each part named and
//! marked as the project's layout wants it.
//!
//! None where a layout has no way to say it, or no room between two versions.

use super::{StepTransaction, Suggestion, timeout};
use crate::migration::layout::MigrationTree;
use crate::migration::script::{self, StatementKind};
use crate::migration::{Migration, TransactionMode};
use std::path::Path;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Relative to the folder the migration's own file stands in; for layouts of one folder a migration, to the folder
    /// above that. With `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Statements that run in one transaction, or one that runs in none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    in_transaction: bool,
    statements: Vec<String>,
}

/// How a layout writes a part.
struct Style {
    /// A folder a migration, with this file in it.
    folder: Option<&'static str>,
    /// Stands in front of every script.
    head: &'static str,
    /// Instead of that in front of one that runs in no transaction.
    bare: &'static str,
    /// Stands around a statement with semicolons in it.
    around: Option<(&'static str, &'static str)>,
    /// Stands behind every script.
    tail: &'static str,
    /// A file beside one that runs in no transaction: what its name ends in instead, and what is in it.
    beside: Option<(&'static str, &'static str)>,
}

const PLAIN: Style = Style { folder: None, head: "", bare: "", around: None, tail: "", beside: None };

/// Layouts whose files are numbered with room between them, by the name `--layout` gives them.
fn style(layout: &str) -> Option<Style> {
    Some(match layout {
        // Both run one statement alone in no transaction.
        "golang-migrate" | "plain" => PLAIN,
        "sqlx" => Style { bare: "-- no-transaction\n", ..PLAIN },
        "dbmate" => Style {
            head: "-- migrate:up\n",
            bare: "-- migrate:up transaction:false\n",
            tail: "\n-- migrate:down\n",
            ..PLAIN
        },
        "goose" => Style {
            head: "-- +goose Up\n",
            bare: "-- +goose NO TRANSACTION\n-- +goose Up\n",
            around: Some(("-- +goose StatementBegin\n", "\n-- +goose StatementEnd")),
            tail: "\n-- +goose Down\n",
            ..PLAIN
        },
        "flyway" => Style { beside: Some((".sql.conf", "executeInTransaction=false\n")), ..PLAIN },
        "atlas" => Style { bare: "-- atlas:txmode none\n\n", ..PLAIN },
        "diesel" => {
            Style { folder: Some("up.sql"), beside: Some(("metadata.toml", "run_in_transaction = false\n")), ..PLAIN }
        }
        "prisma" => Style { folder: Some("migration.sql"), ..PLAIN },
        _ => return None,
    })
}

/// The files that take the place of a migration's own: the first one under its version, the others behind it.
pub fn files(tree: &MigrationTree, migration: &Migration, suggestions: &[Suggestion]) -> Option<Vec<NewFile>> {
    let style = style(migration.layout)?;
    let own = tree.files.iter().find(|file| file.version == migration.version)?;
    let parts = parts(migration, suggestions)?;
    let path = &own.file().path;
    let name = match style.folder {
        Some(_) => path.parent().and_then(Path::file_name),
        None => path.file_name(),
    };
    let name = name?.to_str()?;
    let mut files = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let name = numbered(tree, &own.version, name, at)?;
        let path = style.folder.map_or_else(|| name.clone(), |file| format!("{name}/{file}"));
        files.push(NewFile { path, text: text(&style, part) });
        if let (false, Some((end, text))) = (part.in_transaction, style.beside) {
            let path = match style.folder {
                Some(_) => format!("{name}/{end}"),
                None => format!("{}{end}", name.strip_suffix(".sql")?),
            };
            files.push(NewFile { path, text: text.to_owned() });
        }
    }
    Some(files)
}

fn text(style: &Style, part: &Part) -> String {
    let statements = part.statements.iter().map(|sql| match style.around {
        Some((open, close)) if sql.contains(';') => format!("{open}{sql};{close}"),
        _ => format!("{sql};"),
    });
    let statements: Vec<String> = statements.collect();
    let head = if part.in_transaction { style.head } else { style.bare };
    format!("{head}{}\n{}", statements.join("\n"), style.tail)
}

/// The name of part `at`, counted from 0: the version goes on by one, which no other file may have.
fn numbered(tree: &MigrationTree, version: &str, name: &str, at: usize) -> Option<String> {
    if at == 0 {
        return Some(name.to_owned());
    }
    let begins = name.find(|letter: char| letter.is_ascii_digit())?;
    let digits = name[begins..].find(|letter: char| !letter.is_ascii_digit()).map_or(name.len(), |end| begins + end);
    // A version of several numbers, or one that is not spelled in the name, is not counted on.
    let spelled = &name[begins..digits];
    let number: u64 = spelled.parse().ok()?;
    if name[digits..].starts_with('.') && !name[digits..].starts_with(".sql") || !version.contains(spelled) {
        return None;
    }
    let next = number.checked_add(u64::try_from(at).ok()?)?;
    let taken = tree.files.iter().any(|file| {
        let digits = file.version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse() == Ok(next)
    });
    let version = format!("{next:0width$}", width = spelled.len());
    if taken || version.len() != spelled.len() {
        return None;
    }
    let rest = &name[digits..];
    let stem = rest.find('.').unwrap_or(rest.len());
    Some(format!("{}{version}{}_{}{}", &name[..begins], &rest[..stem], at + 1, &rest[stem..]))
}

/// The migration's statements with the steps in their place, cut into parts. None where a setting or a transaction of its
/// own would reach from one part into the next.
fn parts(migration: &Migration, suggestions: &[Suggestion]) -> Option<Vec<Part>> {
    let whole = match migration.transaction {
        TransactionMode::PerMigration => true,
        TransactionMode::None => false,
        TransactionMode::AllPending | TransactionMode::Explicit => return None,
    };
    let limited =
        suggestions.iter().flat_map(|suggestion| &suggestion.steps).any(|step| step.sql == timeout::LIMIT_LOCAL);
    // `psql -f` sends one statement after the other: nothing has to be cut.
    let one_file = migration.layout == "plain" && !whole;
    let mut parts: Vec<Part> = Vec::new();
    let mut settings = false;
    // What comes next begins a part of its own.
    let mut fresh = true;
    let add = |parts: &mut Vec<Part>, sql: &str, fresh: bool, in_transaction: bool| {
        if parts.is_empty() || fresh && !one_file {
            parts.push(Part { in_transaction, statements: Vec::new() });
        }
        if let Some(part) = parts.last_mut()
            && !(sql == timeout::LIMIT_LOCAL && part.statements.iter().any(|known| known == sql))
        {
            part.statements.push(sql.to_owned());
        }
    };
    for statement in &migration.statements {
        let Some(suggestion) = suggestions.iter().find(|each| each.statement == statement.index) else {
            let kind = script::kind(statement.sql());
            let begins = fresh && limited && whole && !parts.is_empty() && !kind.leaves_nothing_behind();
            settings |= matches!(kind, StatementKind::Set | StatementKind::SetLocal | StatementKind::Reset);
            if kind.is_transaction_control() {
                return None;
            }
            if begins {
                add(&mut parts, timeout::LIMIT_LOCAL, true, whole);
                fresh = false;
            }
            add(&mut parts, statement.sql(), fresh, whole);
            fresh = false;
            continue;
        };
        for step in &suggestion.steps {
            let begins = match step.transaction {
                StepTransaction::Together => fresh,
                StepTransaction::Own => true,
                StepTransaction::Outside => true,
            };
            let outside = step.transaction == StepTransaction::Outside;
            add(&mut parts, &step.sql, begins, whole && !outside);
            fresh = outside;
        }
        // What is slow or strong is over before anything else begins.
        fresh |= suggestion.steps.iter().any(|step| step.transaction != StepTransaction::Together);
    }
    // Settings end with their transaction, or with the session of a file: statements behind them could mean something else.
    (!settings || parts.len() == 1).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::layout::{MigrationFile, Script};
    use crate::migration::{Connection, SourceFile, Statement};
    use crate::suggest::Step;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn file(path: &str, version: &str) -> MigrationFile {
        let source = SourceFile { path: path.into(), name: path.to_owned(), text: String::new() };
        MigrationFile {
            version: version.to_owned(),
            name: String::new(),
            up: Script::whole(Arc::new(source)),
            down: None,
            checksum: None,
            byte_order_mark: false,
            attributes: BTreeMap::new(),
        }
    }

    fn migration(layout: &'static str, transaction: TransactionMode, statements: &[&str]) -> Migration {
        let statement = |(at, sql): (usize, &&str)| {
            let file = SourceFile { path: "x.sql".into(), name: "x.sql".to_owned(), text: (*sql).to_owned() };
            Statement { index: at + 1, file: Arc::new(file), span: 0..sql.len(), rendered: None }
        };
        Migration {
            version: "20240101".to_owned(),
            name: String::new(),
            layout,
            transaction,
            connection: Connection::default(),
            session: Vec::new(),
            statements: statements.iter().enumerate().map(statement).collect(),
            down: None,
            history: None,
        }
    }

    fn suggestion(statement: usize, steps: &[(&str, StepTransaction)]) -> Suggestion {
        let step = |(sql, transaction): &(&str, StepTransaction)| Step {
            sql: (*sql).to_owned(),
            transaction: *transaction,
            why: "",
        };
        Suggestion { statement, forms: Vec::new(), answers: Vec::new(), steps: steps.iter().map(step).collect() }
    }

    fn written(layout: &'static str, files_there: &[(&str, &str)], mode: TransactionMode) -> Option<Vec<NewFile>> {
        let there = files_there.iter().map(|(path, version)| file(path, version)).collect();
        let tree = MigrationTree { layout, files: there, ..MigrationTree::default() };
        let migration = migration(layout, mode, &["SELECT 1", "CREATE INDEX i ON t (a)", "SELECT 2"]);
        let steps = [("CREATE INDEX CONCURRENTLY i ON t (a)", StepTransaction::Outside)];
        files(&tree, &migration, &[suggestion(2, &steps)])
    }

    #[test]
    fn a_migration_is_cut_where_a_statement_runs_in_no_transaction() {
        let mode = TransactionMode::PerMigration;
        let all = written("sqlx", &[("m/20240101_add.up.sql", "20240101")], mode).expect("files");
        let told: Vec<(&str, &str)> = all.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        assert_eq!(
            told,
            [
                ("20240101_add.up.sql", "SELECT 1;\n"),
                ("20240102_add_2.up.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);\n"),
                ("20240103_add_3.up.sql", "SELECT 2;\n"),
            ]
        );
    }

    #[test]
    fn each_layout_has_its_own_mark() {
        for (layout, path, expected) in [
            (
                "goose",
                "m/20240101_a.sql",
                (
                    "20240102_a_2.sql",
                    "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i ON t (a);\n\n-- +goose Down\n",
                ),
            ),
            (
                "dbmate",
                "m/20240101_a.sql",
                (
                    "20240102_a_2.sql",
                    "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON t (a);\n\n-- migrate:down\n",
                ),
            ),
            (
                "atlas",
                "m/20240101_a.sql",
                ("20240102_a_2.sql", "-- atlas:txmode none\n\nCREATE INDEX CONCURRENTLY i ON t (a);\n"),
            ),
            ("flyway", "m/V20240101__a.sql", ("V20240102__a_2.sql.conf", "executeInTransaction=false\n")),
            ("diesel", "m/20240101_a/up.sql", ("20240102_a_2/metadata.toml", "run_in_transaction = false\n")),
            (
                "prisma",
                "m/20240101_a/migration.sql",
                ("20240102_a_2/migration.sql", "CREATE INDEX CONCURRENTLY i ON t (a);\n"),
            ),
        ] {
            let all = written(layout, &[(path, "20240101")], TransactionMode::PerMigration).expect("files");
            let (path, text) = expected;
            assert!(all.contains(&NewFile { path: path.to_owned(), text: text.to_owned() }), "{layout}: {all:#?}");
        }
    }

    #[test]
    fn nothing_is_written_without_room_or_where_transactions_are_not_the_files_own() {
        let mode = TransactionMode::PerMigration;
        let beside = [("m/20240101_a.sql", "20240101"), ("m/20240102_b.sql", "20240102")];
        assert_eq!(written("sqlx", &beside, mode), None);
        assert_eq!(written("liquibase", &beside[..1], mode), None);
        for mode in [TransactionMode::AllPending, TransactionMode::Explicit] {
            assert_eq!(written("plain", &beside[..1], mode), None);
        }
        assert_eq!(written("flyway", &[("m/V1.2__a.sql", "20240101")], mode), None);
    }

    #[test]
    fn every_transaction_has_the_limit_and_a_setting_is_never_left_behind() {
        use StepTransaction::{Own, Together};
        let limit = timeout::LIMIT_LOCAL;
        let steps = [(limit, Together), ("A", Together), ("B", Own), (limit, Own), ("C", Together)];
        let mode = TransactionMode::PerMigration;
        let cut = parts(&migration("sqlx", mode, &["X", "Y", "Z"]), &[suggestion(2, &steps)]).expect("parts");
        let told: Vec<Vec<&str>> =
            cut.iter().map(|part| part.statements.iter().map(String::as_str).collect()).collect();
        assert_eq!(told, [vec!["X", limit, "A"], vec!["B"], vec![limit, "C"], vec![limit, "Z"]]);
        let setting = migration("sqlx", mode, &["SET search_path = app", "Y", "Z"]);
        assert_eq!(parts(&setting, &[suggestion(2, &steps)]), None);
        let whole = [(limit, Together), ("Y", Together)];
        assert_eq!(parts(&setting, &[suggestion(2, &whole)]).map(|parts| parts.len()), Some(1));
        let one_by_one = migration("plain", TransactionMode::None, &["SET search_path = app", "Y", "Z"]);
        assert_eq!(parts(&one_by_one, &[suggestion(2, &steps)]).map(|parts| parts.len()), Some(1));
    }
}
