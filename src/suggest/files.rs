//! Suggestions as files in the project's own layout, cut where a transaction demands it.
//!
//! Every pending migration is written, so that the folder can take the place of what is pending: a migration that becomes
//! several moves the numbers of those behind it where there is no gap. Whoever writes them reads them back and compares.

use super::rewrite::{Part, Rewritten};
use crate::migration::layout::writing::{File, Piece, Replacement};
use crate::migration::layout::{self, MigrationTree, atlas};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Migration, Statement, TransactionMode};

/// How a layout writes a migration.
struct Dress {
    /// Runs a file in one transaction unless told otherwise; else each statement commits by itself.
    in_transaction: bool,
    /// Sends a file as one string, which the server runs as one transaction whatever the file says.
    one_string: bool,
    /// What stands before the statements of a file in a transaction, and of one that is in none.
    heads: [&'static str; 2],
    /// What stands behind them.
    tail: &'static str,
    /// What stands around a statement that holds semicolons of its own.
    around: Option<[&'static str; 2]>,
    /// A migration is a folder with this file in it.
    folder: Option<&'static str>,
    /// A file beside one that is in no transaction: its name, or what stands behind the name, and what it holds.
    beside: Option<[&'static str; 2]>,
}

/// Layouts whose migrations are named `<number>_<name>` or `V<number>__<name>`, and `plain`.
fn dress(layout: &str) -> Option<Dress> {
    let sql = Dress {
        in_transaction: true,
        one_string: false,
        heads: ["", ""],
        tail: "",
        around: None,
        folder: None,
        beside: None,
    };
    Some(match layout {
        "plain" => Dress { in_transaction: false, ..sql },
        "sqlx" => Dress { one_string: true, heads: ["", "-- no-transaction\n"], ..sql },
        "golang_migrate" => Dress { one_string: true, ..sql },
        "dbmate" => Dress {
            one_string: true,
            heads: ["-- migrate:up\n", "-- migrate:up transaction:false\n"],
            tail: "\n-- migrate:down\n",
            ..sql
        },
        "goose" => Dress {
            heads: ["-- +goose Up\n", "-- +goose NO TRANSACTION\n-- +goose Up\n"],
            around: Some(["-- +goose StatementBegin\n", "-- +goose StatementEnd\n"]),
            ..sql
        },
        "atlas" => Dress { heads: ["", "-- atlas:txmode none\n\n"], ..sql },
        "refinery" => sql,
        "supabase" => Dress { heads: ["", "-- pg-delta: transaction=false\n"], ..sql },
        "tern" => Dress { heads: ["", "---- tern: disable-tx ----\n"], ..sql },
        "flyway" => Dress { beside: Some([".conf", "executeInTransaction=false\n"]), ..sql },
        "diesel" => Dress {
            one_string: true,
            folder: Some("up.sql"),
            beside: Some(["metadata.toml", "run_in_transaction = false\n"]),
            ..sql
        },
        "node_pg_migrate" => Dress { heads: ["-- Up Migration\n\n", ""], ..sql },
        "prisma" => Dress { one_string: true, folder: Some("migration.sql"), ..sql },
        _ => return None,
    })
}

/// The folder as it would be: every pending migration, and what else its tool has to find there. `tree` is the folder as it
/// is.
///
/// # Errors
/// Why this layout's files are not written, for people.
pub fn files(migrations: &[Migration], rewritten: &Rewritten, tree: &MigrationTree) -> Result<Vec<File>, String> {
    let name = migrations.first().map_or("plain", |migration| migration.layout);
    if let Some(why) = no_place(name, migrations, rewritten) {
        return Err(why);
    }
    let layout = layout::named(name).map_err(|error| error.to_string())?;
    if let Some(files) = layout.write(tree, &replacements(migrations, rewritten, tree))? {
        return Ok(files);
    }
    let dress = dress(name).ok_or_else(|| format!("files of layout {name} are not written: {IN_REPORT}"))?;
    let mut files = one_by_one(&dress, migrations, rewritten)?;
    if name == layout::Layout::name(&atlas::Atlas) {
        let written: Vec<&str> = migrations.iter().map(|migration| migration.version.as_str()).collect();
        atlas::complete(tree, &written, &mut files);
    }
    Ok(files)
}

/// Where a safer form can be read that is not written.
const IN_REPORT: &str = "the statements stand in the report";

/// Why a tool that decides about transactions itself could not run the safer forms, if it could not.
fn no_place(layout: &str, migrations: &[Migration], rewritten: &Rewritten) -> Option<String> {
    let (tool, way_out) = match layout {
        "drizzle" => ("Drizzle", "by hand, before or after"),
        "node_pg_migrate" => ("node-pg-migrate", "in a migration in JavaScript, with `pgm.noTransaction()`"),
        "refinery" => ("refinery", "by hand, before or after"),
        _ => return None,
    };
    let alone = rewritten.parts.iter().filter(|part| part.migration.transaction == TransactionMode::None);
    let mut alone = alone.flat_map(|part| &part.migration.statements);
    if let Some(statement) = alone.find(|statement| runs_bare(statement.sql())) {
        return Some(format!(
            "{}: the safer form has to run in no transaction, and {tool} has no word for that in an SQL file: run it {way_out}; {IN_REPORT}",
            statement.place()
        ));
    }
    let together =
        |part: &&Part| migrations.get(part.of).is_some_and(|each| each.transaction == TransactionMode::AllPending);
    let mut cut = rewritten.parts.iter().filter(together);
    let cut = cut.find(|part| part.migration.transaction != TransactionMode::AllPending)?;
    let place = cut.migration.statements.first().map_or_else(String::new, Statement::place);
    Some(format!(
        "{place}: the safer form commits between its steps, and {tool} runs everything pending in one transaction: {IN_REPORT}"
    ))
}

/// Whether a statement fails, or means something else, inside a transaction.
pub fn runs_bare(sql: &str) -> bool {
    let kind = kind(sql);
    // These are about the transaction they stand in.
    !kind.can_wrap() && !matches!(kind, StatementKind::SetLocal | StatementKind::Lock)
}

/// Migrations that have a suggestion, by their places in the folder.
fn replacements(migrations: &[Migration], rewritten: &Rewritten, tree: &MigrationTree) -> Vec<Replacement> {
    let of = |(of, migration): (usize, &Migration)| {
        let parts: Vec<&Part> = rewritten.parts.iter().filter(|part| part.of == of).collect();
        let mut statements = parts.iter().flat_map(|part| &part.migration.statements);
        statements.find(|statement| rewritten.suggested.contains_key(&statement.index))?;
        let first = migration.statements.first()?;
        let is_it = |file: &crate::migration::layout::MigrationFile| {
            file.version == migration.version && file.file().path == first.file.path
        };
        let piece = |part: &&Part| Piece {
            transaction: part.migration.transaction,
            statements: part.migration.statements.iter().map(|statement| statement.sql().to_owned()).collect(),
        };
        Some(Replacement { at: tree.files.iter().position(is_it)?, pieces: parts.iter().map(piece).collect() })
    };
    migrations.iter().enumerate().filter_map(of).collect()
}

/// Every pending migration as it would be, in order.
fn one_by_one(dress: &Dress, migrations: &[Migration], rewritten: &Rewritten) -> Result<Vec<File>, String> {
    let mut files: Vec<File> = Vec::new();
    let mut last = 0;
    for (of, migration) in migrations.iter().enumerate() {
        let Some(name) = migration.statements.first().and_then(|first| own_name(dress, first)) else { continue };
        let parts: Vec<&Part> = rewritten.parts.iter().filter(|part| part.of == of).collect();
        if !dress.in_transaction {
            let text: String = parts.iter().map(|part| block(part, migration)).collect();
            files.push(File { name, text });
            continue;
        }
        let several = parts.iter().flat_map(|part| cut(dress, part)).collect::<Vec<_>>();
        for (at, (transaction, statements)) in several.iter().enumerate() {
            let (numbered, number) = renumbered(&name, last, (at, several.len())).ok_or_else(|| {
                format!(
                    "{name} does not begin with a number that could be counted on: its parts cannot be put in order"
                )
            })?;
            last = number;
            let head = dress.heads[usize::from(!transaction)];
            let body: String = statements.iter().map(|statement| written(dress, statement)).collect();
            let name = dress.folder.map_or_else(|| numbered.clone(), |file| format!("{numbered}/{file}"));
            if let Some([beside, text]) = dress.beside.filter(|_| !transaction) {
                let name = match dress.folder {
                    Some(_) => format!("{numbered}/{beside}"),
                    None => format!("{numbered}{beside}"),
                };
                files.push(File { name, text: text.to_owned() });
            }
            files.push(File { name, text: format!("{head}{body}{}", dress.tail) });
        }
    }
    Ok(files)
}

/// The name that orders a migration: its file's, or its folder's.
fn own_name(dress: &Dress, statement: &Statement) -> Option<String> {
    let path = &statement.file.path;
    let path = if dress.folder.is_some() { path.parent()? } else { path };
    Some(path.file_name()?.to_str()?.to_owned())
}

/// A part as files: whether in a transaction, and its statements.
fn cut<'a>(dress: &Dress, part: &'a Part) -> Vec<(bool, &'a [Statement])> {
    let statements = part.migration.statements.as_slice();
    let transaction = part.migration.transaction != TransactionMode::None;
    if transaction || !dress.one_string {
        return vec![(transaction, statements)];
    }
    statements.chunks(1).map(|one| (false, one)).collect()
}

fn written(dress: &Dress, statement: &Statement) -> String {
    let sql = statement.sql().trim_end();
    match dress.around {
        Some([begin, end]) if sql.contains(';') => format!("{begin}{sql};\n{end}"),
        _ => format!("{sql};\n"),
    }
}

/// A part of a file whose statements commit one by one: what belongs together stands between BEGIN and COMMIT.
fn block(part: &Part, migration: &Migration) -> String {
    let body: String = part.migration.statements.iter().map(|statement| format!("{};\n", statement.sql())).collect();
    let own = part.migration.transaction != migration.transaction
        && part.migration.transaction == TransactionMode::PerMigration
        && part.migration.statements.len() > 1;
    if own { format!("BEGIN;\n{body}COMMIT;\n") } else { body }
}

/// The name with the next number behind `last` that is its own or larger, of the same width; with a number of its part
/// where there are several.
fn renumbered(name: &str, last: u64, (part, parts): (usize, usize)) -> Option<(String, u64)> {
    let begin = usize::from(name.starts_with('V'));
    let digits = name[begin..].bytes().take_while(u8::is_ascii_digit).count();
    let own: u64 = name.get(begin..begin + digits)?.parse().ok()?;
    let number = own.max(last + 1);
    let rest = &name[begin + digits..];
    // A version of several numbers is not counted on.
    if begin == 1 && !rest.starts_with("__") {
        return None;
    }
    let rest = match (parts, rest.split_once('.')) {
        (2.., Some((stem, ending))) => format!("{stem}_{}.{ending}", part + 1),
        (2.., None) => format!("{rest}_{}", part + 1),
        _ => rest.to_owned(),
    };
    Some((format!("{}{number:0digits$}{rest}", &name[..begin]), number))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::migration::{Connection, SourceFile};
    use crate::suggest::rewrite::rewrite;
    use crate::suggest::{Step, StepTransaction, Suggestion};
    use std::sync::Arc;

    fn migration(layout: &'static str, name: &str, index: usize, transaction: TransactionMode, sql: &str) -> Migration {
        let file = Arc::new(SourceFile { path: name.into(), name: name.to_owned(), text: sql.to_owned() });
        let statement = Statement { index, file, span: 0..sql.len(), rendered: None };
        Migration {
            version: name.to_owned(),
            name: String::new(),
            layout,
            transaction,
            connection: Connection::default(),
            session: Vec::new(),
            statements: vec![statement],
            down: None,
            history: None,
        }
    }

    fn step(sql: &str, transaction: StepTransaction) -> Step {
        Step { sql: sql.to_owned(), transaction, why: "" }
    }

    fn shown(migrations: &[Migration], steps: Vec<Step>) -> Vec<(String, String)> {
        let suggestion = Suggestion { statement: 1, forms: Vec::new(), answers: Vec::new(), steps };
        let rewritten = rewrite(migrations, &[suggestion]);
        files(migrations, &rewritten, &MigrationTree::default())
            .unwrap()
            .into_iter()
            .map(|file| (file.name, file.text))
            .collect()
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_migration_that_becomes_several_moves_the_numbers_behind_it() {
        use StepTransaction::{Outside, Own, Together};
        let per = TransactionMode::PerMigration;
        let migrations = [migration("sqlx", "0007_a.sql", 1, per, "A"), migration("sqlx", "0008_b.sql", 2, per, "B")];
        let steps = vec![step("SET x", Together), step("A1", Outside), step("A2", Own)];
        assert_eq!(
            shown(&migrations, steps),
            [
                pair("0007_a_1.sql", "SET x;\n"),
                pair("0008_a_2.sql", "-- no-transaction\nA1;\n"),
                pair("0009_a_3.sql", "A2;\n"),
                pair("0010_b.sql", "B;\n"),
            ]
        );
        let gap = [
            migration("sqlx", "20260101000000_a.sql", 1, per, "A"),
            migration("sqlx", "20260201000000_b.sql", 2, per, "B"),
        ];
        let names: Vec<String> =
            shown(&gap, vec![step("A1", Outside), step("A2", Own)]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["20260101000000_a_1.sql", "20260101000001_a_2.sql", "20260201000000_b.sql"]);
    }

    #[test]
    fn each_layout_has_words_of_its_own() {
        use StepTransaction::{Outside, Own, Together};
        let steps =
            || vec![step("DO $$ x; $$", Outside), step("RESET y", Together), step("Z", Own), step("Z2", Together)];
        let of = |layout: &'static str, name: &str, mode| shown(&[migration(layout, name, 1, mode, "A")], steps());
        let per = TransactionMode::PerMigration;
        assert_eq!(
            of("goose", "1_a.sql", per),
            [
                pair(
                    "1_a_1.sql",
                    "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nDO $$ x; $$;\n-- +goose StatementEnd\nRESET y;\n"
                ),
                pair("2_a_2.sql", "-- +goose Up\nZ;\nZ2;\n"),
            ]
        );
        assert_eq!(
            of("dbmate", "1_a.sql", per),
            [
                pair("1_a_1.sql", "-- migrate:up transaction:false\nDO $$ x; $$;\n\n-- migrate:down\n"),
                pair("2_a_2.sql", "-- migrate:up transaction:false\nRESET y;\n\n-- migrate:down\n"),
                pair("3_a_3.sql", "-- migrate:up\nZ;\nZ2;\n\n-- migrate:down\n"),
            ]
        );
        let golang = of("golang_migrate", "1_a.up.sql", per);
        assert_eq!(golang[2], pair("3_a_3.up.sql", "Z;\nZ2;\n"));
        let flyway = of("flyway", "V007__a.sql", per);
        assert_eq!(flyway[0], pair("V007__a_1.sql.conf", "executeInTransaction=false\n"));
        assert_eq!((flyway[1].0.as_str(), flyway[2].0.as_str()), ("V007__a_1.sql", "V008__a_2.sql"));
        let diesel: Vec<String> = of("diesel", "2026_a/up.sql", per).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            diesel,
            [
                "2026_a_1/metadata.toml",
                "2026_a_1/up.sql",
                "2027_a_2/metadata.toml",
                "2027_a_2/up.sql",
                "2028_a_3/up.sql"
            ]
        );
        assert_eq!(
            of("plain", "a.sql", TransactionMode::None),
            [pair("a.sql", "DO $$ x; $$;\nRESET y;\nBEGIN;\nZ;\nZ2;\nCOMMIT;\n")]
        );
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let per = TransactionMode::PerMigration;
        let refused = |layout: &'static str, name: &str| {
            let migrations = [migration(layout, name, 1, per, "A")];
            files(&migrations, &rewrite(&migrations, &[]), &MigrationTree::default()).unwrap_err()
        };
        assert!(refused("sqlx", "a.sql").contains("a.sql does not begin with a number"));
        assert!(refused("flyway", "V1_2__a.sql").contains("V1_2__a.sql does not begin with a number"));
    }
}
