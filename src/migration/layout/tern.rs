//! The layout of tern: files numbered from 1 on without a gap, both directions in one file, a table with one number.

use super::{
    Cut, Evidence, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands, cut,
    files_in, found, in_runners_transaction, plain,
};
use crate::migration::history::{HistoryShape, Row, Selection, value};
use crate::migration::script::Dialect;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile};
use std::collections::BTreeMap;
use std::sync::Arc;

/// tern 2.
#[derive(Debug)]
pub struct Tern;

/// What stands between the two directions.
const SPLIT: &str = "---- create above / drop below ----";

/// The line with which a file opts out of its transaction.
const NO_TRANSACTION: &str = "---- tern: disable-tx ----";

/// Flyway's table was once called the same.
const HISTORY: HistoryShape = HistoryShape {
    columns: &["version"],
    later: &[],
    foreign: &["installed_rank", "dirty", "script"],
    order: "version",
};

const TABLE: &str = "public.schema_version";

/// Begins the name of the attribute that holds a value for templates.
const VALUE: &str = "data ";

/// The number and the rest of a name; `None` for files that tern passes over.
fn parse_name(file_name: &str) -> Option<(&str, &str)> {
    let (number, rest) = file_name.split_once('_')?;
    let name = rest.strip_suffix(".sql").filter(|name| !name.is_empty())?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())).then_some((number, name))
}

impl Layout for Tern {
    fn name(&self) -> &'static str {
        "tern"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations", "."]
    }

    fn supports(&self, dialect: Dialect) -> bool {
        dialect == Dialect::PostgreSql
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "tern takes that from each file: the line `---- tern: disable-tx ----`",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if !site.every_script(|name| parse_name(name).is_some()) || site.speaks_of_another(self.name()) {
            return None;
        }
        if let Some(path) = site.nearest("tern.conf") {
            return Some(Evidence::marker(format!("{} is there", path.display())));
        }
        let dependency = site.depends_on_in("go.mod", &["github.com/jackc/tern"]);
        match (dependency, site.tool_by_contents()) {
            (Some(why), _) => Some(Evidence::dependency(why)),
            (None, Some((_, why))) => Some(Evidence::contents(why)),
            (None, None) => None,
        }
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let Found { directory, files: found, folder } = found(self.name(), request, files_in)?;
        let mut tree = MigrationTree::new(self.name(), request);
        let configured = configuration(&Site::new(request.paths)?, &mut tree)?;
        let table = tree.keep_history(HISTORY, configured.unwrap_or_else(|| TABLE.to_owned()));
        tree.create_history = vec![
            format!("create table if not exists {table}(version int4 not null)"),
            format!("insert into {table}(version) select 0 where 0=(select count(*) from {table})"),
        ];
        let mut files = Vec::new();
        for (file_name, path) in found {
            let Some((number, name)) = parse_name(&file_name) else {
                if file_name.ends_with(".sql") {
                    tree.notes.push(format!("{file_name}: passed over as tern does: not named <number>_<name>.sql"));
                }
                continue;
            };
            let (source, byte_order_mark) = folder.read(&file_name, &path)?;
            let Some(number) = number.parse::<i32>().ok().filter(|number| *number > 0) else {
                let reason = "tern stops at this number: count from 1 on".to_owned();
                return Err(MigrationError::FileName { file: source.name.clone(), reason });
            };
            files.push((number, file(number, name, source, byte_order_mark)?));
        }
        super::sort_by_version(&mut files)?;
        if let Some((expected, (_, file))) =
            (1..).zip(&files).find(|(expected, (number, _))| tree.directory_given && expected != number)
        {
            let reason =
                format!("there is no migration {expected} before it, and tern stops at a gap: renumber the files");
            return Err(MigrationError::FileName { file: file.file().name.clone(), reason });
        }
        tree.files.extend(files.into_iter().map(|(_, file)| file));
        tree.refuse_empty(&directory, "files named <number>_<name>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let Some(rows) = rows else { return Ok(Selection::everything(tree)) };
        let refuse = |reason: String| Err(MigrationError::Refused { layout: self.name(), reason });
        let [row] = rows else {
            return refuse(format!("{} has {} rows instead of one", tree.history_table(), rows.len()));
        };
        let Ok(newest) = value((0, row), 0, "no version")?.parse::<usize>() else {
            return Err(MigrationError::HistoryRow { row: 1, reason: "version is not a number from 0 on" });
        };
        if tree.directory_given && newest > tree.files.len() {
            return refuse(format!(
                "{} is at version {newest}, and the files end at {}: bring the files back, or check out the branch they are on",
                tree.history_table(),
                tree.files.len()
            ));
        }
        let is_pending = |at: &usize| tree.files[*at].version.parse::<usize>().is_ok_and(|number| number > newest);
        let (pending, applied) = (0..tree.files.len()).partition(is_pending);
        Ok(Selection { pending, applied, newest: (newest > 0).then(|| newest.to_string()), ..Selection::default() })
    }

    fn cut(&self, tree: &MigrationTree, _file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        let mut cuts = Vec::new();
        for part in &script.parts {
            let value = |action: &str| {
                let action = action.trim();
                if action.starts_with("/*") && action.ends_with("*/") {
                    return Some(String::new());
                }
                tree.attributes.get(&format!("{VALUE}{}", action.strip_prefix('.')?)).cloned()
            };
            let missing = |action: &str| {
                match action.trim().strip_prefix('.') {
                Some(name) if is_name(name) => {
                    format!("write it below [data] in tern.conf, or give {name} under `placeholders`")
                }
                _ => "tern runs everything in {{ }} as a Go template, of which only {{.name}} is reproduced: write it out".to_owned(),
            }
            };
            let rendered = cut::fill_in(script, part, ("{{", "}}"), value, missing)?;
            if opts_out(script) {
                let spans = at_semicolons(rendered.text());
                cuts.extend(spans.into_iter().map(|span| rendered.place(span)));
            } else {
                cuts.extend(rendered.cut()?);
            }
        }
        Ok(cuts)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        tree.refuse_byte_order_mark(file)?;
        let mut notes = Vec::new();
        let opted_out = opts_out(&file.up);
        let controls = cuts.iter().any(|cut| cut.kind(source).is_transaction_control());
        let transaction = match opted_out {
            true => plain::own_transactions(source, cuts)?,
            false => in_runners_transaction("tern", source, cuts, &mut notes),
        };
        if !opted_out && let Some(at) = source.text.find(NO_TRANSACTION) {
            let line = source.position(at).line;
            notes.push(format!(
                "{}:{line}: `{NO_TRANSACTION}` only counts as a line of its own, with a line feed alone at its end: this file runs in a transaction",
                source.name
            ));
        }
        let in_transaction = !opted_out && !controls;
        let set = |version: &str| vec![format!("update {} set version={version}", tree.history_table())];
        let history = HistoryWrite {
            table: tree.history_table().to_owned(),
            applied: set(&file.version),
            in_transaction,
            undo: set(previous.unwrap_or("0")),
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, _tree: &MigrationTree) -> Connection {
        Connection { reset: "reset all", ..Connection::default() }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|each| each.is_alphanumeric() || each == '_')
}

fn file(
    number: i32,
    name: &str,
    source: Arc<SourceFile>,
    byte_order_mark: bool,
) -> Result<MigrationFile, MigrationError> {
    let end = source.text.find(SPLIT);
    let up = 0..end.unwrap_or(source.text.len());
    let is_sql = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    if !source.text[up.clone()].lines().any(is_sql) {
        let reason = "there is no SQL to apply, and tern stops at such a file: write the migration".to_owned();
        return Err(MigrationError::Content { file: source.name.clone(), line: 1, reason });
    }
    let below = end.map(|end| end + SPLIT.len()..source.text.len());
    let down = below.filter(|below| !source.text[below.clone()].trim().is_empty());
    let script = |part| Script { file: Arc::clone(&source), parts: vec![part] };
    Ok(MigrationFile {
        version: number.to_string(),
        name: name.to_owned(),
        up: script(up),
        down: down.map(script),
        checksum: None,
        byte_order_mark,
        attributes: BTreeMap::new(),
    })
}

/// Whether what runs in one direction opts out of its transaction: each direction says it for itself.
fn opts_out(script: &Script) -> bool {
    let part = script.parts.first().map_or("", |part| &script.file.text[part.clone()]);
    part.trim().split('\n').any(|line| line == NO_TRANSACTION)
}

/// Statements as tern tells them apart where it has to: each ends at the next semicolon that stands in no string and no
/// comment, be it in parentheses or in the body of a function.
fn at_semicolons(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    let mut current: Option<std::ops::Range<usize>> = None;
    for token in Lexer::new(text) {
        if token.kind.is_trivia() {
            continue;
        }
        if token.kind == TokenKind::Punctuation && &text[token.span.clone()] == ";" {
            spans.extend(current.take());
        } else {
            current.get_or_insert(token.span.clone()).end = token.span.end;
        }
    }
    spans.extend(current);
    spans
}

/// Reads `tern.conf`: values for templates go to `tree`; the answer is the version table it names.
fn configuration(site: &Site, tree: &mut MigrationTree) -> Result<Option<String>, MigrationError> {
    let mut table = None;
    if let Some(path) = site.nearest("tern.conf") {
        let text = read_text(&path)?;
        let mut section = "";
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            } else if let Some((name, value)) = line.split_once('=') {
                let Some(value) = from_environment(value.trim()) else { continue };
                match (section, name.trim()) {
                    ("database", "version_table") => table = Some(value),
                    ("data", name) => {
                        tree.attributes.insert(format!("{VALUE}{name}"), value);
                    }
                    _ => {}
                }
            }
        }
    }
    for (name, value) in tree.options.placeholders.clone() {
        tree.attributes.insert(format!("{VALUE}{name}"), value);
    }
    Ok(table)
}

/// A value as it stands, or what the environment has where it is `{{env "NAME"}}` or `{{.env.NAME}}`. Other templates
/// have no value.
fn from_environment(value: &str) -> Option<String> {
    let Some(action) = value.strip_prefix("{{").and_then(|value| value.strip_suffix("}}")) else {
        return (!value.contains("{{")).then(|| value.to_owned());
    };
    let action = action.trim();
    let name = action
        .strip_prefix(".env.")
        .or_else(|| action.strip_prefix("env ")?.trim().strip_prefix('"')?.strip_suffix('"'));
    std::env::var(name?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with, read_named};
    use super::*;
    use crate::migration::TransactionMode;
    use crate::migration::history::pending;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Tern, &[folder.path().to_owned()], folder.path())
    }

    fn message(files: &[(&str, &str)]) -> String {
        read(files).expect_err("tern stops").to_string()
    }

    fn row(version: &str) -> Vec<Row> {
        vec![vec![Some(version.to_owned())]]
    }

    const FILES: [(&str, &str); 3] = [
        ("001_a.sql", "create table a ();\n\n---- create above / drop below ----\n\ndrop table a;\n"),
        ("2_b.sql", "select 2;\n---- create above / drop below ----\n"),
        ("003_c.sql", "select 3;\nselect 33;"),
    ];

    #[test]
    fn files_count_from_one_without_a_gap() {
        let tree = read(&[&FILES[..], &[("notes.sql", ""), ("shared/4_x.sql", "")]].concat()).expect("readable");
        let versions: Vec<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
        assert_eq!(versions, ["1", "2", "3"]);
        assert!(tree.files[0].down.is_some() && tree.files[1].down.is_none() && tree.files[2].down.is_none());
        assert!(tree.notes[0].starts_with("notes.sql: passed over"));
        assert!(message(&FILES[1..]).starts_with("2_b.sql: there is no migration 1 before it"));
        assert!(message(&[&FILES[..], &[("02_c.sql", "select 1")]].concat()).starts_with("version 2 belongs to both"));
        assert!(message(&[("0_a.sql", "select 1")]).contains("count from 1 on"));
        assert!(message(&[("99999999999_a.sql", "select 1")]).contains("count from 1 on"));
        for empty in ["", "-- later\n\n---- create above / drop below ----\ndrop table a;"] {
            assert!(message(&[("1_a.sql", empty)]).contains("no SQL to apply"));
        }
    }

    #[test]
    fn what_is_above_the_version_is_pending() {
        let tree = read(&FILES).expect("readable");
        let found = pending(&tree, Some(&row("1")), None).expect("pending");
        let versions: Vec<&str> = found.migrations.iter().map(|each| each.version.as_str()).collect();
        assert_eq!(versions, ["2", "3"]);
        let history = found.migrations[0].history.as_ref().expect("a row");
        assert_eq!(history.applied, ["update public.schema_version set version=2"]);
        assert_eq!(history.undo, ["update public.schema_version set version=1"]);
        assert!(history.in_transaction);
        let first = pending(&tree, Some(&row("0")), None).expect("pending");
        assert_eq!(
            first.migrations[0].history.as_ref().expect("a row").undo,
            ["update public.schema_version set version=0"]
        );
        assert_eq!(first.migrations[0].connection.reset, "reset all");
        assert_eq!(first.migrations[0].down.as_ref().expect("a down part").statements[0].start().line, 5);
        assert!(Tern.select(&tree, Some(&row("4"))).expect_err("outside").to_string().contains("the files end at 3"));
        assert!(Tern.select(&tree, Some(&[])).expect_err("no row").to_string().contains("0 rows instead of one"));
        assert!(Tern.select(&tree, Some(&row("-1"))).is_err());
    }

    #[test]
    fn templates_are_filled_in_or_refused() {
        let configuration = "# ours\n[database]\nversion_table = meta.at\nhost = {{env \"PGHOST\"}}\n[data]\nreader = books_reader\nhome={{.env.PATH}}\nodd = {{ upper \"x\" }}\n";
        let of = |text: &str| {
            let tree = read(&[("tern.conf", configuration), ("1_a.sql", text)]).expect("readable");
            assert_eq!(tree.history_table(), "meta.at");
            let found = pending(&tree, None, None).map_err(|error| error.to_string())?;
            let sent = found.migrations[0].statements.iter().map(|each| each.sql().to_owned());
            Ok::<_, String>(sent.collect::<Vec<_>>())
        };
        assert_eq!(
            of("grant select on a to {{ .reader }};{{/* ours */}} select '{{.reader}}';"),
            Ok(vec!["grant select on a to books_reader".to_owned(), "select 'books_reader'".to_owned()])
        );
        assert_eq!(of("select '{{.home}}'").expect("from the environment").len(), 1);
        let error = |text: &str| of(text).map(|_: Vec<String>| ()).expect_err("refused");
        assert!(
            error("select 1;\nselect {{.gone}}")
                .starts_with("1_a.sql:2: {{.gone}} has no value: write it below [data]")
        );
        assert!(error("select {{.odd}}").contains("{{.odd}} has no value"));
        for template in
            ["{{ template \"shared/a.sql\" . }} select 1", "select '{{1,2}}'", "{{if .reader}}select 1{{end}}"]
        {
            assert!(error(template).contains("only {{.name}} is reproduced"), "{template}");
        }
    }

    #[test]
    fn the_opt_out_is_a_line_and_cuts_at_every_semicolon() {
        let group = |text: &str| {
            let found = pending(&read(&[("1_a.sql", text)]).expect("readable"), None, None).expect("pending");
            let history = found.migrations[0].history.clone().expect("a row");
            (found.migrations[0].transaction, history.in_transaction, found.migrations[0].statements.len(), found.notes)
        };
        let marked = "---- tern: disable-tx ----\ncreate index concurrently i on a (x);\nselect $$;$$;\n";
        assert_eq!(group(marked), (TransactionMode::None, false, 2, vec![]));
        let atomic = "create function f() returns int begin atomic select 1; end;";
        assert_eq!(group(&format!("---- tern: disable-tx ----\n{atomic}")).2, 2, "as tern sends it");
        assert_eq!(group(atomic).2, 1);
        let windows = group(&marked.replace('\n', "\r\n"));
        assert_eq!(windows.0, TransactionMode::PerMigration);
        assert!(windows.3[0].contains("a line feed alone at its end"), "{:?}", windows.3);
        assert_eq!(group("---- tern: disable-tx ----\nbegin; select 1; commit;").0, TransactionMode::Explicit);
        let commits = group("select 1;\ncommit;");
        assert!(
            !commits.1
                && commits.3[0].starts_with("1_a.sql:2: the script commits by itself, inside the transaction tern"),
            "{:?}",
            commits.3
        );
    }

    #[test]
    fn a_byte_order_mark_is_sent_and_fails() {
        let tree = read(&[("1_a.sql", "\u{feff}select 1")]).expect("readable");
        assert!(matches!(pending(&tree, None, None), Err(MigrationError::ByteOrderMark { .. })));
    }

    #[test]
    fn its_configuration_its_lines_or_its_module_give_it_away() {
        let layout = |more: (&str, &str), text: &str| {
            let folder = folder(&[(".git/HEAD", ""), ("migrations/1_a.sql", text), more]);
            read_named(&[folder.path().join("migrations")], None, folder.path()).expect("readable").layout
        };
        assert_eq!(layout(("tern.conf", ""), "select 1"), "tern");
        assert_eq!(layout(("go.mod", "require github.com/jackc/tern/v2 v2.3.3\n"), "select 1"), "tern");
        assert_eq!(layout(("go.mod", ""), FILES[0].1), "tern");
        assert_eq!(layout(("go.mod", ""), "---- tern: disable-tx ----\nselect 1"), "tern");
        assert_eq!(layout(("go.mod", ""), "select 1"), "sqlx");
    }
}
