//! What the runner's history table says: which files are pending, which were edited after they ran.

pub mod sqlite;

use super::git::Changed;
use super::layout::{self, Layout, MigrationFile, MigrationTree, cut};
use super::{Down, Migration, MigrationError, SourceFile};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One row of a history table: the columns of its [`HistoryShape`] in their order, as text.
pub type Row = Vec<Option<String>>;

/// What a tool's history table looks like. Several tools call theirs `schema_migrations`: columns tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryShape {
    /// Columns that are read; the table has all of them but those of later releases.
    pub columns: &'static [&'static str],
    /// The last of them that older releases of the tool did without: where they are missing, rows are shorter.
    pub later: &'static [&'static str],
    /// Columns that give another tool's table away.
    pub foreign: &'static [&'static str],
    /// What rows are ordered by: SQL after `ORDER BY`.
    pub order: &'static str,
}

/// A table of the copy that bears a history table's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// Qualified and quoted.
    pub name: String,
    /// It is the one the migration role's search path leads to.
    pub visible: bool,
    /// Its columns.
    pub columns: Vec<String>,
}

/// SQL that lists the tables [`FoundTable`] stands for; its rows are for [`parse_found`].
pub fn find_query(table: &str) -> String {
    let table = layout::literal(table);
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.oid IS NOT DISTINCT FROM pg_catalog.to_regclass({table}), \
         (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' \
         AND c.relname = (SELECT p.name[pg_catalog.cardinality(p.name)] FROM pg_catalog.parse_ident({table}) AS p(name)) \
         ORDER BY 2 DESC, 1"
    )
}

/// Reads the rows of [`find_query`].
///
/// # Errors
/// Never in practice: the query's own columns are missing.
pub fn parse_found(rows: &[Row]) -> Result<Vec<FoundTable>, MigrationError> {
    let parse = |(index, row): (usize, &Row)| match row.as_slice() {
        [Some(name), Some(visible), columns] => Ok(FoundTable {
            name: name.clone(),
            visible: visible == "t",
            columns: columns.iter().flat_map(|columns| columns.split(',')).map(str::to_owned).collect(),
        }),
        _ => Err(MigrationError::HistoryRow { row: index + 1, reason: "no name" }),
    };
    rows.iter().enumerate().map(parse).collect()
}

impl HistoryShape {
    /// Whether a table with these columns is this tool's.
    pub fn fits(&self, found: &FoundTable) -> bool {
        let has = |column: &&str| found.columns.iter().any(|each| each == column);
        self.columns.iter().filter(|column| !self.later.contains(column)).all(has) && !self.foreign.iter().any(has)
    }

    /// SQL that reads a table's rows.
    pub fn rows_query(&self, table: &FoundTable) -> String {
        let is_there = |column: &&&str| table.columns.iter().any(|each| each == **column);
        let columns: Vec<String> =
            self.columns.iter().filter(is_there).map(|column| format!("{column}::text")).collect();
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, self.order)
    }

    /// The one of the found tables that is this tool's: where the search path leads, or else the only one there is.
    ///
    /// # Errors
    /// A table of that name that is another tool's, or several that could be meant.
    pub fn choose<'a>(&self, layout: &str, found: &'a [FoundTable]) -> Result<Option<&'a FoundTable>, MigrationError> {
        let fitting: Vec<&FoundTable> = found.iter().filter(|each| self.fits(each)).collect();
        match (fitting.as_slice(), found) {
            ([], []) => Ok(None),
            ([], [other, ..]) => Err(MigrationError::ForeignHistory {
                table: other.name.clone(),
                columns: other.columns.join(", "),
                layout: layout.to_owned(),
            }),
            ([only], _) => Ok(Some(only)),
            ([first, ..], _) if first.visible => Ok(Some(first)),
            (several, _) => Err(MigrationError::SeveralHistories {
                tables: several.iter().map(|each| each.name.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

/// One applied migration, as far as runners compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The runner's version.
    pub version: String,
    /// The runner's checksum; `None` where it keeps none.
    pub checksum: Option<String>,
}

impl Applied {
    /// What rows say that hold a version in their first column and no checksum.
    ///
    /// # Errors
    /// A row without a version.
    pub fn versions(rows: Option<&[Row]>, missing: &'static str) -> Result<Vec<Self>, MigrationError> {
        let of = |row| value(row, 0, missing).map(|version| Self { version: version.to_owned(), checksum: None });
        rows.unwrap_or_default().iter().enumerate().map(of).collect()
    }
}

/// What a runner would do now: places in [`MigrationTree::files`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What it would run, in that order.
    pub pending: Vec<usize>,
    /// What the history says has run.
    pub applied: Vec<usize>,
    /// Applied files whose text is no longer what the history knows.
    pub edited: Vec<usize>,
    /// The version that is the newest now.
    pub newest: Option<String>,
    /// What people should know.
    pub notes: Vec<String>,
}

impl Selection {
    /// Every file, in order: for a layout without history, or a history without rows.
    pub fn everything(tree: &MigrationTree) -> Self {
        Self { pending: (0..tree.files.len()).collect(), ..Self::default() }
    }

    /// Files whose version is not among the applied ones. A checksum that differs is an edited file; a row without one
    /// says nothing about the text, which is noted.
    pub fn absent(tree: &MigrationTree, applied: &[Applied]) -> Self {
        let by_version: HashMap<&str, &Applied> =
            applied.iter().map(|applied| (applied.version.as_str(), applied)).collect();
        let mut selection = Self::default();
        let mut unchecked = Vec::new();
        for (at, file) in tree.files.iter().enumerate() {
            let Some(row) = by_version.get(file.version.as_str()) else {
                selection.pending.push(at);
                continue;
            };
            selection.applied.push(at);
            selection.newest = Some(file.version.clone());
            if matches!((&file.checksum, &row.checksum), (Some(is), Some(was)) if is != was) {
                selection.edited.push(at);
            }
            if file.checksum.is_some() && row.checksum.is_none() {
                unchecked.push(file.version.as_str());
            }
        }
        if !unchecked.is_empty() {
            selection.notes.push(format!(
                "{} has no checksum of {}: whether the text is still the same was not checked",
                tree.history_table(),
                unchecked.join(", ")
            ));
        }
        selection
    }

    /// For a tool that goes on when applied versions are gone: says which. `what` they have none of here.
    pub fn note_gone(&mut self, tree: &MigrationTree, applied: &[Applied], what: &str, tool: &str) {
        let gone = missing(tree, applied);
        if !gone.is_empty() {
            self.notes.push(format!("applied, but without a {what} here, which {tool} lets pass: {}", gone.join(", ")));
        }
    }

    /// For a tool that runs them all the same: says which pending files stand before one that is applied.
    pub fn note_late(&mut self, tree: &MigrationTree, tool: &str) {
        let newest = self.newest.clone().unwrap_or_default();
        let late: Vec<String> = self.out_of_order(tree).iter().map(|file| file.file().name.clone()).collect();
        let told = late.into_iter().map(|name| {
            format!("{name}: older than version {newest}, which is applied already; {tool} runs it all the same")
        });
        self.notes.extend(told);
    }

    /// Pending files that stand before one that is applied.
    pub fn out_of_order<'t>(&self, tree: &'t MigrationTree) -> Vec<&'t MigrationFile> {
        let newest = self.newest.as_deref();
        let last = tree.files.iter().rposition(|file| Some(file.version.as_str()) == newest);
        let before = self.pending.iter().filter(|at| last.is_some_and(|last| **at < last));
        before.filter_map(|at| tree.files.get(*at)).collect()
    }
}

/// Applied versions without a file; none are missing where files were named one by one, which never claim to be all.
pub fn missing(tree: &MigrationTree, applied: &[Applied]) -> Vec<String> {
    let known: HashSet<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    let gone = applied.iter().filter(|row| tree.directory_given && !known.contains(row.version.as_str()));
    gone.map(|row| row.version.clone()).collect()
}

/// For a tool that refuses to go on when applied versions have no file.
///
/// # Errors
/// There are any.
pub fn refuse_missing(tree: &MigrationTree, versions: &[String]) -> Result<(), MigrationError> {
    if versions.is_empty() {
        return Ok(());
    }
    Err(MigrationError::VersionMissing { table: tree.history_table().to_owned(), versions: versions.join(", ") })
}

/// A column of a row that has to have a value.
///
/// # Errors
/// It has none: the table is not the runner's.
pub fn value<'a>(
    (index, row): (usize, &'a Row),
    column: usize,
    missing: &'static str,
) -> Result<&'a str, MigrationError> {
    let value = row.get(column).and_then(|value| value.as_deref());
    value.ok_or(MigrationError::HistoryRow { row: index + 1, reason: missing })
}

/// A column of a row that is true or false. `odd` says that it is neither.
///
/// # Errors
/// It has no value or another: the table is not the runner's.
pub fn flag(
    row: (usize, &Row),
    column: usize,
    missing: &'static str,
    odd: &'static str,
) -> Result<bool, MigrationError> {
    match value(row, column, missing)? {
        // SQLite's are numbers.
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        _ => Err(MigrationError::HistoryRow { row: row.0 + 1, reason: odd }),
    }
}

/// A file that changed after it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The runner's version.
    pub version: String,
    /// The file as it is now.
    pub file: Arc<SourceFile>,
}

/// What is to be rehearsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// Pending, but not new since `--base`: applied first, and not rehearsed.
    pub earlier: Vec<Migration>,
    /// In the order they run, statements numbered from 1 over all of them.
    pub migrations: Vec<Migration>,
    /// Applied files whose text no longer matches the history.
    pub edited: Vec<Edited>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// How a note begins that names such migrations.
pub const NOT_NEW: &str = "pending, but not new since --base";

/// What is pending, given the history (`None`: the table does not exist, or the layout has none) and what git says is
/// new (`None`: everything counts).
///
/// Whether files may be taken for pending without any history is the caller's decision: for an empty source, or for files
/// that were named one by one.
///
/// # Errors
/// What the runner refuses to go on with, a setting that means nothing to it, or a script that cannot be cut into
/// statements.
pub fn pending(
    tree: &MigrationTree,
    rows: Option<&[Row]>,
    changed: Option<&Changed>,
) -> Result<Pending, MigrationError> {
    let layout = layout::named(tree.layout)?;
    layout.understands().check(layout.name(), &tree.options)?;
    let selection = layout.select(tree, rows)?;
    let mut pending = Pending { notes: tree.notes.clone(), ..Pending::default() };
    if !tree.directory_given {
        // Whoever names a file wants to know why it does not run.
        let mut names: Vec<&str> = at_places(tree, &selection.applied).map(|file| file.file().name.as_str()).collect();
        names.dedup();
        pending.notes.extend(names.into_iter().map(|name| format!("{name}: applied already")));
    }
    pending.notes.extend(selection.notes);
    for file in at_places(tree, &selection.edited) {
        pending.edited.push(Edited { version: file.version.clone(), file: Arc::clone(file.file()) });
    }
    let files = at_places(tree, &selection.pending);
    let (fresh, earlier): (Vec<_>, Vec<_>) = match changed {
        // Without a history, what was there before is taken for applied.
        Some(changed) if rows.is_none() => {
            let (fresh, there): (Vec<_>, Vec<_>) = files.partition(|file| changed.added(file.file()));
            pending.notes.extend(taken_for_applied(tree, &there, changed)?);
            (fresh, Vec::new())
        }
        Some(changed) => files.partition(|file| changed.touched(file.file())),
        None => (files.collect(), Vec::new()),
    };
    if !earlier.is_empty() {
        let names: Vec<&str> = earlier.iter().map(|file| file.file().name.as_str()).collect();
        let what = if fresh.is_empty() { "not looked at" } else { "applied first" };
        pending.notes.push(format!("{NOT_NEW}, so {what}: {}", names.join(", ")));
    }
    let mut previous = selection.newest;
    pending.earlier = migrations(tree, layout, &earlier, &mut previous, &mut Vec::new())?;
    pending.migrations = migrations(tree, layout, &fresh, &mut previous, &mut pending.notes)?;
    Ok(pending)
}

fn at_places<'t>(tree: &'t MigrationTree, places: &[usize]) -> impl Iterator<Item = &'t MigrationFile> {
    places.iter().filter_map(|at| tree.files.get(*at))
}

/// What to say of files that were there before `--base`, are not as they were then, and are taken for applied.
///
/// # Errors
/// One of them holds several migrations, some of which may be new.
fn taken_for_applied(
    tree: &MigrationTree,
    there: &[&MigrationFile],
    changed: &Changed,
) -> Result<Vec<String>, MigrationError> {
    let mut notes = Vec::new();
    for file in there.iter().filter(|file| changed.touched(file.file())) {
        let name = &file.file().name;
        let is_beside = |other: &MigrationFile| other.version != file.version && other.file().name == *name;
        if tree.files.iter().any(is_beside) {
            return Err(MigrationError::GrownFile { file: name.clone(), table: tree.history_table().to_owned() });
        }
        notes.push(format!("{name}: changed since --base; there is no history, so it is taken for applied"));
    }
    notes.dedup();
    Ok(notes)
}

/// Cuts every file into statements and numbers them.
fn migrations(
    tree: &MigrationTree,
    layout: &dyn Layout,
    files: &[&MigrationFile],
    previous: &mut Option<String>,
    notes: &mut Vec<String>,
) -> Result<Vec<Migration>, MigrationError> {
    let mut next = 1;
    let mut migrations = Vec::new();
    for file in files {
        let cuts = layout.cut(tree, file, &file.up)?;
        let grouping = layout.grouping(tree, file, &cuts, previous.as_deref())?;
        notes.extend(grouping.notes);
        if cuts.is_empty() {
            notes.push(format!("{}: nothing in it but comments", file.file().name));
        }
        let statements = cut::number(file.file(), cuts, next);
        next += statements.len();
        let down = match &file.down {
            Some(script) => {
                let cuts = layout.cut(tree, file, script)?;
                let (transaction, in_transaction) = layout.grouping_down(tree, file, script, &cuts);
                Some(Down {
                    file: Arc::clone(&script.file),
                    start: script.parts.first().map_or(0, |part| part.start),
                    transaction: transaction.unwrap_or(grouping.transaction),
                    in_transaction,
                    statements: cut::number(&script.file, cuts, 1),
                })
            }
            None => None,
        };
        *previous = Some(file.version.clone());
        migrations.push(Migration {
            version: file.version.clone(),
            name: file.name.clone(),
            layout: tree.layout,
            transaction: grouping.transaction,
            connection: layout.connection(tree),
            session: tree.session.clone(),
            statements,
            down,
            history: grouping.history,
        });
    }
    Ok(migrations)
}

#[cfg(test)]
mod tests;
