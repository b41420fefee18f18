//! What a project has that Seatrial can use. Files are read, nothing is run.

use crate::migration::layout::site::Strength;
use crate::migration::layout::{LayoutOptions, Request, Site, detect};
use crate::migration::script::Dialect;
use crate::migration::source_file::name_below;
use crate::report::human;
use crate::workload::source;
use std::path::{Path, PathBuf};

/// How many folders deep a project is searched.
const DEEPEST: usize = 6;
/// Folders that hold other people's files, made ones, or what only tests read.
const PASSED_OVER: [&str; 20] = [
    "node_modules",
    "target",
    "vendor",
    "third_party",
    "dist",
    "build",
    "venv",
    "__pycache__",
    "test",
    "tests",
    "__tests__",
    "testing",
    "testdata",
    "spec",
    "specs",
    "e2e",
    "fixtures",
    "mocks",
    "example",
    "examples",
];
/// Larger files are not looked into.
const LARGEST: u64 = 1 << 20;

/// Where a CI system keeps its configuration, and its name.
const CI: [(&str, &str); 7] = [
    (".github/workflows", "GitHub Actions"),
    (".gitlab-ci.yml", "GitLab CI"),
    (".circleci", "CircleCI"),
    ("Jenkinsfile", "Jenkins"),
    ("azure-pipelines.yml", "Azure Pipelines"),
    ("bitbucket-pipelines.yml", "Bitbucket Pipelines"),
    (".buildkite", "Buildkite"),
];

/// Everything found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Folders of migrations.
    pub migrations: Vec<Migrations>,
    /// Hot queries.
    pub queries: Vec<Queries>,
    /// Configuration of CI systems and their names.
    pub ci: Vec<(&'static str, &'static str)>,
}

/// A folder of migrations.
#[derive(Debug)]
pub(super) struct Migrations {
    /// Relative to the root.
    pub folder: String,
    /// Layout's name as in `--layout`; the error says whose files these are, and that they are not read.
    pub layout: Result<&'static str, String>,
    /// Files in it, and what gave the layout away.
    pub why: String,
}

/// A file or folder of hot queries.
#[derive(Debug)]
pub(super) struct Queries {
    /// Relative to the root.
    pub path: String,
    /// How many there are, or why they cannot be used.
    pub count: Result<usize, String>,
    /// What gave them away.
    pub why: String,
}

impl Found {
    /// The one folder of migrations that can be read, if it is the only one there is.
    pub fn chosen(&self) -> Option<(&Migrations, &'static str)> {
        match self.migrations.as_slice() {
            [only] => only.layout.as_ref().ok().map(|layout| (only, *layout)),
            _ => None,
        }
    }
}

impl Migrations {
    pub fn description(&self) -> String {
        match &self.layout {
            Ok(layout) => format!("{layout}, {}", self.why),
            Err(tool) => format!("{tool}, {}", self.why),
        }
    }
}

impl Queries {
    pub fn description(&self) -> String {
        match &self.count {
            Ok(count) => format!("{} ({})", human::plural(*count, "query"), self.why),
            Err(reason) => format!("{}; left out: {reason}", self.why),
        }
    }
}

/// A project being looked at.
pub(super) struct Project<'a> {
    root: &'a Path,
    /// Every folder below the root, the root first.
    folders: Vec<PathBuf>,
}

impl<'a> Project<'a> {
    pub fn new(root: &'a Path) -> Self {
        let mut folders = Vec::new();
        walk(root, 0, &mut folders);
        Self { root, folders }
    }

    pub fn look(&self) -> Found {
        let migrations = detect_layout(self.root, &self.folders);
        let queries = self.queries(&migrations);
        let ci = CI.into_iter().filter(|(path, _)| self.root.join(path).exists()).collect();
        Found { migrations, queries, ci }
    }

    fn queries(&self, migrations: &[Migrations]) -> Vec<Queries> {
        let mut found: Vec<(PathBuf, String)> = Vec::new();
        for name in ["sqlc.yaml", "sqlc.yml", "sqlc.json"] {
            for folder in &self.folders {
                // A file that is not there or no text names no queries.
                let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
                let named = if name.ends_with(".json") { sqlc_json(&text) } else { sqlc_yaml(&text) };
                found.extend(named.into_iter().map(|path| (folder.join(path), format!("`queries` of {name}"))));
            }
        }
        let migrations: Vec<PathBuf> = migrations.iter().map(|each| self.root.join(&each.folder)).collect();
        let outside = |path: &Path| !migrations.iter().any(|folder| path.starts_with(folder));
        for folder in self.folders.iter().filter(|folder| outside(folder)) {
            let known = found.iter().any(|(path, _)| folder.starts_with(path) || path.parent() == Some(folder));
            let named: Vec<PathBuf> = sql_files(folder).into_iter().filter(|file| has_names(file)).collect();
            if known || named.is_empty() {
                continue;
            }
            // A folder is read with everything below it, which must not be migrations or the whole project.
            let shared = folder == self.root || migrations.iter().any(|migrations| migrations.starts_with(folder));
            let paths = if shared { named } else { vec![folder.clone()] };
            found.extend(paths.into_iter().map(|path| (path, "`-- name:` lines".to_owned())));
        }
        let prepared = self.root.join(".sqlx");
        if prepared.is_dir() {
            found.push((prepared, "sqlx's prepared queries".to_owned()));
        }
        let mut all: Vec<Queries> = Vec::new();
        let mut usable: Vec<PathBuf> = Vec::new();
        let mut counted = 0;
        for (path, why) in found {
            let name = relative(&path, self.root);
            if all.iter().any(|each| each.path == name) {
                continue;
            }
            // Together with those before it: a name may be given once in all of them.
            usable.push(path);
            let count = source::load(&usable, self.root, Dialect::PostgreSql).map(|queries| queries.len() - counted);
            match &count {
                Ok(more) => counted += more,
                Err(_) => drop(usable.pop()),
            }
            all.push(Queries { path: name, count: count.map_err(|error| error.to_string()), why });
        }
        all
    }
}

/// Every folder of migrations below `root`, with what reads it.
fn detect_layout(root: &Path, folders: &[PathBuf]) -> Vec<Migrations> {
    let all: Vec<(&PathBuf, Seen)> =
        folders.iter().filter_map(|folder| Some((folder, layout_of(root, folder)?))).collect();
    let same = |left: &Seen, right: &Seen| left.layout == right.layout && left.files == right.files;
    // A tool that reads folders within folders sees the same files from each: the innermost is meant.
    let innermost = all.iter().filter(|(folder, seen)| {
        !all.iter().any(|(other, within)| *other != *folder && other.starts_with(folder) && same(seen, within))
    });
    let mut found: Vec<(&PathBuf, &Seen)> = Vec::new();
    for (folder, seen) in innermost {
        // A tool that keeps its plan in the project's root has not taken everything below it.
        if !found.iter().any(|(taken, _)| *taken != root && folder.starts_with(taken)) {
            found.push((folder, seen));
        }
    }
    let described = |(folder, seen): (&PathBuf, &Seen)| Migrations {
        folder: relative(folder, root),
        layout: seen.layout.clone(),
        why: seen
            .files
            .map_or_else(|| seen.why.clone(), |files| format!("{} ({})", human::plural(files, "file"), seen.why)),
    };
    found.into_iter().map(described).collect()
}

/// What a folder looks like.
struct Seen {
    layout: Result<&'static str, String>,
    /// How many files the layout reads there, when it can.
    files: Option<usize>,
    why: String,
}

/// What reads a folder, or whose it could be; and why.
fn layout_of(root: &Path, folder: &Path) -> Option<Seen> {
    let directory = match detect::dialect_of(folder, Dialect::PostgreSql) {
        Ok(below) => below.map_or_else(|| folder.to_owned(), |(below, _)| below),
        // Only for other databases.
        Err(_) => return None,
    };
    let site = Site::new(&[directory]).ok()?;
    let named = folder.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().contains("migrat"));
    let mut candidates = detect::candidates(&site, Dialect::PostgreSql);
    // Any folder of .sql files may be read somehow: its name or the tool says that it is meant.
    candidates.retain(|each| match each.evidence.strength {
        Strength::Marker => true,
        Strength::Dependency | Strength::Contents => folder != root,
        Strength::Names => {
            folder != root && (named || each.layout.homes().iter().any(|home| folder == root.join(home)))
        }
        Strength::Fallback => folder != root && named && site.scripts().next().is_some(),
    });
    let unread = |tool: &str, why: &str| {
        Some(Seen {
            layout: Err(format!("{tool}, which this version does not read")),
            files: None,
            why: why.to_owned(),
        })
    };
    match (candidates.as_slice(), site.tool_by_contents()) {
        ([], None) => None,
        ([], Some((tool, why))) => unread(tool, why),
        ([one], Some((tool, why))) if one.evidence.strength == Strength::Fallback => unread(tool, why),
        ([one], _) => {
            let paths = [site.directory.clone()];
            let read = one.layout.read(&Request { paths: &paths, root, options: &LayoutOptions::default() });
            let why = detect::below(&one.evidence.why, root);
            Some(match read {
                Ok(tree) => Seen { layout: Ok(one.layout.name()), files: Some(tree.files.len()), why },
                Err(error) => Seen { layout: Ok(one.layout.name()), files: None, why: error.to_string() },
            })
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|each| each.layout.name()).collect();
            let why = "the history table tells, or `layout` does".to_owned();
            Some(Seen { layout: Err(names.join(" or ")), files: None, why })
        }
    }
}

fn relative(path: &Path, root: &Path) -> String {
    let name = name_below(path, root);
    // The root itself is named as given.
    if path.canonicalize().ok() == root.canonicalize().ok() { ".".to_owned() } else { name }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    if depth == DEEPEST {
        return;
    }
    // A folder that cannot be read holds nothing for us either.
    let mut below: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    below.sort();
    for path in below {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Links may lead round in circles.
        if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && !PASSED_OVER.contains(&name.as_str()) {
            walk(&path, depth + 1, found);
        }
    }
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql") && path.is_file())
        .collect();
    files.sort();
    files
}

/// Whether a file has a line that names a query.
fn has_names(path: &Path) -> bool {
    if !path.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST) {
        return false;
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches(['-', '/', '*', ' ']);
        line.starts_with("name:") || line.starts_with(":name ")
    })
}

/// What stands for `queries` in sqlc.yaml, of either version: one path, or a list of them.
fn sqlc_yaml(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut lines = text.lines().map(without_comment).peekable();
    while let Some(line) = lines.next() {
        let Some(value) = line.trim_start().trim_start_matches("- ").trim_start().strip_prefix("queries:") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let value = value.trim();
        if let Some(list) = value.strip_prefix('[') {
            paths.extend(list.trim_end_matches(']').split(',').map(unquoted).filter(|path| !path.is_empty()));
        } else if !value.is_empty() {
            paths.push(unquoted(value));
        } else {
            // A list on lines of its own, at least as far in as its key.
            while let Some(item) = lines.peek().and_then(|next| {
                let inside = next.len() - next.trim_start().len() >= indent;
                next.trim_start().strip_prefix("- ").filter(|item| inside && !item.contains(": "))
            }) {
                paths.push(unquoted(item));
                lines.next();
            }
        }
    }
    paths
}

fn without_comment(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(before, _)| before).trim_end()
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

/// The same of sqlc.json.
fn sqlc_json(text: &str) -> Vec<String> {
    let Ok(config) = serde_json::from_str::<serde_json::Value>(text) else { return Vec::new() };
    let packages = ["sql", "packages"].into_iter().filter_map(|key| config.get(key)?.as_array());
    let queries = packages.flatten().filter_map(|package| package.get("queries"));
    let mut paths = Vec::new();
    for value in queries {
        match value {
            serde_json::Value::String(path) => paths.push(path.clone()),
            serde_json::Value::Array(all) => {
                paths.extend(all.iter().filter_map(|path| path.as_str().map(str::to_owned)));
            }
            _ => {}
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        folder
    }

    fn found(files: &[(&str, &str)]) -> Found {
        let folder = project(files);
        let root = folder.path().canonicalize().expect("it exists");
        Project::new(&root).look()
    }

    const QUERY: &str = "-- name: Get :one\nSELECT 1;\n";

    #[test]
    fn an_empty_project_has_nothing() {
        let found = found(&[("README.md", ""), ("src/main.rs", ""), ("sql/report.sql", "SELECT 1;")]);
        assert!(found.migrations.is_empty() && found.queries.is_empty() && found.ci.is_empty(), "{found:?}");
    }

    #[test]
    fn a_folder_of_migrations_is_found_wherever_it_is() {
        let found =
            found(&[("db/migrations/1_a.sql", "SELECT 1;"), ("node_modules/x/migrations/1_b.sql", "SELECT 1;")]);
        let (migrations, layout) = found.chosen().expect("one");
        assert_eq!((migrations.folder.as_str(), layout), ("db/migrations", "sqlx"));
        assert!(migrations.why.starts_with("1 file"), "{}", migrations.why);
    }

    #[test]
    fn of_several_folders_none_is_chosen() {
        let found = found(&[("shop/migrations/1_a.sql", "SELECT 1;"), ("ledger/migrations/1_a.sql", "SELECT 1;")]);
        let folders: Vec<&str> = found.migrations.iter().map(|each| each.folder.as_str()).collect();
        assert_eq!(folders, ["ledger/migrations", "shop/migrations"]);
        assert!(found.chosen().is_none());
    }

    #[test]
    fn of_folders_within_folders_the_one_with_the_files_is_meant() {
        let found = found(&[
            ("flyway.conf", "flyway.locations=filesystem:db/migration\n"),
            ("db/migration/V1__a.sql", "SELECT 1;"),
            ("queries/q.sql", QUERY),
        ]);
        let (migrations, layout) = found.chosen().expect("one");
        assert_eq!((migrations.folder.as_str(), layout), ("db/migration", "flyway"));
        assert_eq!(migrations.why, "1 file (flyway.conf is Flyway's)");
        assert_eq!(found.queries.len(), 1);
    }

    #[test]
    fn folders_for_several_databases_are_one_tree_of_migrations() {
        let found = found(&[("migrations/postgres/1_a.sql", "SELECT 1;"), ("migrations/sqlite/1_a.sql", "SELECT 1;")]);
        let (migrations, layout) = found.chosen().expect("PostgreSQL's");
        assert_eq!((migrations.folder.as_str(), layout), ("migrations", "sqlx"));
    }

    #[test]
    fn queries_are_found_where_they_are_registered_or_named() {
        let found = found(&[
            ("sqlc.yaml", "version: \"2\"\nsql:\n  - engine: postgresql\n    queries: \"db/query.sql\" # ours\n"),
            ("db/query.sql", QUERY),
            ("app/queries/a.sql", "-- name: Other :one\nSELECT 1;\n"),
            ("app/queries/broken/b.sql", "-- name: Half :one\nSELECT 'never closed\n"),
            ("sql/again.sql", QUERY),
            ("tests/queries/c.sql", "-- name: Tested :one\nSELECT 1;\n"),
            ("migrations/1_a.sql", "-- name: not a query\nSELECT 1;"),
            (".sqlx/query-1.json", "{}"),
        ]);
        let paths: Vec<(&str, bool)> =
            found.queries.iter().map(|each| (each.path.as_str(), each.count.is_ok())).collect();
        assert_eq!(paths, [("db/query.sql", true), ("app/queries", false), ("sql", false), (".sqlx", false)]);
    }

    #[test]
    fn queries_beside_migrations_are_named_file_by_file() {
        let found =
            found(&[("db/query.sql", QUERY), ("db/ddl.sql", "SELECT 1;"), ("db/migrations/1_a.sql", "SELECT 1;")]);
        let paths: Vec<&str> = found.queries.iter().map(|each| each.path.as_str()).collect();
        assert_eq!(paths, ["db/query.sql"]);
    }

    #[test]
    fn every_spelling_of_sqlc_is_read() {
        assert_eq!(sqlc_yaml("packages:\n  - path: x\n    queries: ./sql/query/\n"), ["./sql/query/"]);
        assert_eq!(sqlc_yaml("sql:\n- queries: ['a', \"b\"]\n  schema: s\n"), ["a", "b"]);
        assert_eq!(sqlc_yaml("sql:\n  - schema: s\n    queries:\n      - a\n      - b\n    engine: x\n"), ["a", "b"]);
        assert_eq!(sqlc_yaml("sql:\n- queries:\n  - a\n- schema: s\n"), ["a"]);
        assert_eq!(sqlc_json("{\"sql\": [{\"queries\": \"a\"}, {\"queries\": [\"b\"]}]}"), ["a", "b"]);
        assert_eq!(sqlc_json("no JSON"), Vec::<String>::new());
    }

    #[test]
    fn ci_systems_are_told_by_their_files() {
        let found = found(&[(".github/workflows/ci.yml", ""), (".gitlab-ci.yml", "")]);
        assert_eq!(found.ci, [(".github/workflows", "GitHub Actions"), (".gitlab-ci.yml", "GitLab CI")]);
    }
}
