//! The rows in which tools note down what is applied: they tell where one version ends, and how that is taken back.

use crate::migration::layout::literal;
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::{Word, words};
use std::collections::BTreeMap;

/// A history table: its bare name, and the columns that spell a version.
struct Book {
    table: &'static str,
    version: &'static [&'static str],
}

/// Tools whose migrations are code. Those that change the one row they keep are among them: Alembic.
const BOOKS: [Book; 10] = [
    Book { table: "alembic_version", version: &["version_num"] },
    Book { table: "django_migrations", version: &["app", "name"] },
    // Rails, Ecto.
    Book { table: "schema_migrations", version: &["version"] },
    Book { table: "knex_migrations", version: &["name"] },
    // TypeORM, Laravel.
    Book { table: "migrations", version: &["name", "migration"] },
    Book { table: "SequelizeMeta", version: &["name"] },
    Book { table: "mikro_orm_migrations", version: &["name"] },
    Book { table: "phinxlog", version: &["version"] },
    Book { table: "doctrine_migration_versions", version: &["version"] },
    Book { table: "__EFMigrationsHistory", version: &["MigrationId"] },
];

/// A row that was written to a history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    /// The table as the statement spells it.
    pub table: String,
    /// The version.
    pub version: String,
    /// The statement.
    pub sql: String,
    /// What takes it back.
    pub undo: String,
    /// It was written once the version's transaction was over.
    pub afterwards: bool,
}

fn book(name: &str) -> Option<&'static Book> {
    BOOKS.iter().find(|book| book.table == name)
}

/// Whether a table of this bare name is a tool's history.
pub(super) fn is_book(name: &str) -> bool {
    book(name).is_some()
}

/// Whether a statement makes a history table, or what belongs to it.
pub(super) fn creates(sql: &str) -> bool {
    let words = words(sql);
    let Some(at) = words.iter().take(3).position(|word| word.is("TABLE")) else { return false };
    let options =
        words[at + 1..].iter().take_while(|word| word.is("IF") || word.is("NOT") || word.is("EXISTS")).count();
    let named = table(sql, &words, at + 1 + options);
    words[0].is("CREATE") && named.is_some_and(|(.., next)| words.get(next).is_some_and(|word| word.text == "("))
}

/// The row a statement writes about a version, if it does.
pub(super) fn noted(sql: &str) -> Option<Noted> {
    let words = words(sql);
    let first = words.first()?;
    if first.is("INSERT") {
        inserted(sql, &words)
    } else if first.is("UPDATE") {
        changed(sql, &words)
    } else if first.is("DELETE") {
        removed(sql, &words)
    } else {
        None
    }
}

/// `INSERT INTO table (columns) VALUES (values)` of one row.
fn inserted(sql: &str, words: &[Word<'_>]) -> Option<Noted> {
    let (table, book, open) = table(sql, words, 2)?;
    let (columns, after) = list(words, open)?;
    if !words.get(after)?.is("VALUES") {
        return None;
    }
    let (values, end) = list(words, after + 1)?;
    // Several rows, or one that may have been there: nobody knows what takes that back.
    if words.get(end).is_some_and(|word| word.text == "," || word.is("ON")) {
        return None;
    }
    let values: BTreeMap<String, &Word<'_>> = columns.into_iter().filter_map(Word::name).zip(values).collect();
    let keys: Vec<(&str, String)> =
        book.version.iter().filter_map(|key| Some((*key, plain(values.get(*key)?)?))).collect();
    if keys.is_empty() {
        return None;
    }
    let version = keys.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(".");
    let alike: Vec<String> = keys.iter().map(|(key, value)| format!("\"{key}\" = {}", literal(value))).collect();
    let undo = format!("DELETE FROM {table} WHERE {}", alike.join(" AND "));
    Some(Noted { table, version, sql: sql.to_owned(), undo, afterwards: false })
}

/// `UPDATE table SET column = 'new' WHERE table.column = 'old'`.
fn changed(sql: &str, words: &[Word<'_>]) -> Option<Noted> {
    let (table, book, set) = table(sql, words, 1)?;
    let key = *book.version.first()?;
    if !words.get(set)?.is("SET") {
        return None;
    }
    let mut values = words.windows(3).filter_map(|three| {
        let compared = three[0].name().as_deref() == Some(key) && three[1].text == "=";
        compared.then(|| plain(&three[2])).flatten()
    });
    let (new, old) = (values.next()?, values.next()?);
    let undo = format!("UPDATE {table} SET \"{key}\" = {} WHERE \"{key}\" = {}", literal(&old), literal(&new));
    Some(Noted { table, version: new, sql: sql.to_owned(), undo, afterwards: false })
}

/// `DELETE FROM alembic_version WHERE alembic_version.version_num = 'old'`: two branches become one.
fn removed(sql: &str, words: &[Word<'_>]) -> Option<Noted> {
    let (table, book, _) = table(sql, words, 2)?;
    let key = *book.version.first().filter(|_| book.table == "alembic_version")?;
    let [.., column, equals, value] = words else { return None };
    if column.name().as_deref() != Some(key) || equals.text != "=" {
        return None;
    }
    let version = plain(value)?;
    let undo = format!("INSERT INTO {table} (\"{key}\") VALUES ({})", literal(&version));
    Some(Noted { table, version, sql: sql.to_owned(), undo, afterwards: false })
}

/// The history table that is named from the word `at` on: as it is spelled, and the word behind it.
fn table(sql: &str, words: &[Word<'_>], at: usize) -> Option<(String, &'static Book, usize)> {
    let mut last = at;
    while words.get(last + 1)?.text == "." {
        last += 2;
    }
    let name = words.get(last)?;
    let spelled = &sql[words.get(at)?.start..name.start + name.text.len()];
    Some((spelled.to_owned(), book(&name.name()?)?, last + 1))
}

/// The items of the parentheses that open at the word `open`, each of one word or cast, and the word behind them.
fn list<'a, 'b>(words: &'b [Word<'a>], open: usize) -> Option<(Vec<&'b Word<'a>>, usize)> {
    let depth = words.get(open).filter(|word| word.text == "(")?.depth;
    let close = open + 1 + words[open + 1..].iter().position(|word| word.text == ")" && word.depth == depth)?;
    let mut items = Vec::new();
    let mut fresh = true;
    for word in &words[open + 1..close] {
        if word.text == "," && word.depth == depth + 1 {
            fresh = true;
        } else if std::mem::take(&mut fresh) {
            items.push(word);
        }
    }
    Some((items, close + 1))
}

/// The value a string or a number spells.
fn plain(word: &Word<'_>) -> Option<String> {
    match word.kind {
        TokenKind::String => match word.text.strip_prefix(['E', 'e']) {
            Some(escaped) => Some(inside(escaped)?.replace("\\\\", "\\")),
            None => inside(word.text),
        },
        TokenKind::Number => Some(word.text.to_owned()),
        _ => None,
    }
}

fn inside(quoted: &str) -> Option<String> {
    Some(quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_tools_are_known_with_their_version_and_what_takes_them_back() {
        let cases = [
            (
                "INSERT INTO alembic_version (version_num) VALUES ('a1')",
                "a1",
                "DELETE FROM alembic_version WHERE \"version_num\" = 'a1'",
            ),
            (
                "UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1'",
                "b2",
                "UPDATE alembic_version SET \"version_num\" = 'a1' WHERE \"version_num\" = 'b2'",
            ),
            (
                r#"INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0002_it''s', '2026-01-02'::timestamptz) RETURNING "django_migrations"."id""#,
                "shop.0002_it's",
                r#"DELETE FROM "django_migrations" WHERE "app" = 'shop' AND "name" = '0002_it''s'"#,
            ),
            (
                "DELETE FROM alembic_version WHERE alembic_version.version_num = 'b2'",
                "b2",
                "INSERT INTO alembic_version (\"version_num\") VALUES ('b2')",
            ),
            (
                r"INSERT INTO doctrine_migration_versions (version, executed_at) VALUES (E'DoctrineMigrations\\Version1', NULL)",
                r"DoctrineMigrations\Version1",
                "DELETE FROM doctrine_migration_versions WHERE \"version\" = 'DoctrineMigrations\\Version1'",
            ),
            (
                r#"INSERT INTO public."schema_migrations" ("version","inserted_at") VALUES (20260102,'now')"#,
                "20260102",
                r#"DELETE FROM public."schema_migrations" WHERE "version" = '20260102'"#,
            ),
        ];
        for (sql, version, undo) in cases {
            let noted = noted(sql).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!((noted.version.as_str(), noted.undo.as_str()), (version, undo));
        }
    }

    #[test]
    fn rows_of_others_are_no_history() {
        for sql in [
            "INSERT INTO orders (version) VALUES (1)",
            "INSERT INTO alembic_version SELECT 'x'",
            "UPDATE alembic_version SET version_num = lower(version_num)",
            "DELETE FROM alembic_version",
            "INSERT INTO schema_migrations (version) VALUES ('1'), ('2')",
            "INSERT INTO schema_migrations (version) VALUES ('1') ON CONFLICT DO NOTHING",
            "CREATE TABLE migrations.orders (id int)",
            "CREATE TABLE kept AS SELECT * FROM schema_migrations",
            "CREATE TABLE part PARTITION OF migrations FOR VALUES IN (1)",
            "CREATE TABLE copy_of (LIKE alembic_version)",
        ] {
            assert_eq!((noted(sql), creates(sql)), (None, false), "{sql}");
        }
        assert!(creates("CREATE TABLE IF NOT EXISTS public.\"django_migrations\" (id int)"));
    }
}
