//! The layout of Flyway: versioned, undo, repeatable and baseline migrations in SQL.

mod name;
mod past;
mod settings;

use super::{
    ANY_TRANSACTION, Cut, Evidence, Folder, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script,
    Site, Understands, create_schema, cut, files_below, in_runners_transaction, literal, one_directory, quoted, sqlite,
    take_back,
};
use crate::migration::history::{HistoryShape, Row, Selection};
use crate::migration::script::sqlite::{SqliteStatement, parse_name};
use crate::migration::script::{self, StatementKind};
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use name::{Kind, Name, Version};
use settings::Settings;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Flyway 10 and newer.
#[derive(Debug)]
pub struct Flyway;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["installed_rank", "version", "description", "type", "script", "checksum", "success"],
    later: &[],
    foreign: &[],
    order: "installed_rank",
};

/// How dependency files spell it.
const DEPENDENCIES: [&str; 8] = [
    "flyway-core",
    "flyway-database-postgresql",
    "flyway-maven-plugin",
    "spring-boot-starter-flyway",
    "quarkus-flyway",
    "micronaut-flyway",
    "node-flywaydb",
    "flyway",
];

impl Layout for Flyway {
    fn name(&self) -> &'static str {
        "flyway"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["src/main/resources/db/migration", "db/migration", "sql", "migrations"]
    }

    fn understands(&self) -> Understands {
        Understands { transaction: ANY_TRANSACTION, otherwise: "", out_of_order: true }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if site.speaks_of_another(self.name()) {
            return None;
        }
        // What cannot be read is reported when the layout reads it.
        let marker = settings::find(site);
        let all = marker.as_deref().and_then(|path| settings::load(path).ok()).unwrap_or_default();
        let settings = Settings::new(&all);
        let dependency = site.depends_on(&DEPENDENCIES);
        if marker.is_some() || dependency.is_some() {
            let found = locations(&site.directory, marker.as_deref(), &settings);
            let is_home = |folder: &PathBuf| files_below(folder).is_ok_and(|files| holds_migrations(&files, &settings));
            if found.iter().any(is_home) {
                let by_marker = marker.map(|path| Evidence::marker(format!("{} is Flyway's", path.display())));
                return by_marker.or(dependency.map(Evidence::dependency));
            }
        }
        let is_mine = |name: &str| matches!(Name::parse(name, &settings), Name::Migration { .. } | Name::Callback);
        let is_named = site.every_script(is_mine) && site.scripts().any(|name| name.contains("__"));
        is_named.then(|| Evidence::names("every file is named as Flyway names them: V<version>__<description>.sql"))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let directory = one_directory(self.name(), request)?;
        let site = Site::new(request.paths)?;
        let marker = settings::find(&site);
        let mut tree = MigrationTree::new(self.name(), request);
        if let Some(path) = &marker {
            tree.attributes = settings::load(path)?;
        }
        let attributes = tree.attributes.clone();
        let settings = Settings::new(&attributes);
        name_history(&mut tree, &settings);
        for (name, value) in placeholders(&settings, tree.history_table()) {
            tree.options.placeholders.entry(name).or_insert(value);
        }
        let folders = locations(&site.directory, marker.as_deref(), &settings);
        let mut reader = Reader { settings, tree: &mut tree, files: Vec::new(), undo: Vec::new() };
        let found = match directory {
            Some(_) => folders.iter().map(|folder| Found::within(folder, request.root, files_below)).collect(),
            None => Ok(vec![Found::named(request)]),
        };
        for Found { files, folder, .. } in found? {
            reader.read(&folder, files)?;
        }
        let (files, undo) = (reader.files, reader.undo);
        tree.files = sorted(files, undo, &mut tree.notes)?;
        tree.refuse_empty(&site.directory, "files named V<version>__<description>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let selection = past::select(tree, rows)?;
        if is_grouped(tree) {
            refuse_mixed_group(self, tree, &selection)?;
        }
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        if file.attribute("placeholderReplacement") == Some("false") {
            return cut::cut(script, tree.dialect());
        }
        let mut cuts = Vec::new();
        for part in &script.parts {
            cuts.extend(fill_in(tree, script, part)?.in_dialect(tree.dialect()).cut()?);
        }
        Ok(cuts)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let settings = Settings::new(&tree.attributes);
        let source = file.file();
        let mut notes = Vec::new();
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let in_transaction = runs_in_transaction(tree, file, cuts, &kinds)?;
        let commits = kinds.iter().any(StatementKind::is_transaction_control);
        if tree.is_sqlite() {
            let mut is_open = false;
            let transaction = match in_transaction {
                false => sqlite::one_by_one(source, cuts),
                true => {
                    is_open = sqlite::within_runners("Flyway", source, cuts, &mut notes);
                    if is_grouped(tree) { TransactionMode::AllPending } else { TransactionMode::PerMigration }
                }
            };
            // It has a single connection there, whose transaction the row is part of.
            return Ok(Grouping { transaction, history: Some(history_write(tree, file, is_open)), notes });
        }
        let transaction = match (commits, in_transaction) {
            (true, true) => in_runners_transaction("Flyway", source, cuts, &mut notes),
            (true, false) => TransactionMode::Explicit,
            (false, false) => TransactionMode::None,
            (false, true) if is_grouped(tree) => TransactionMode::AllPending,
            (false, true) => TransactionMode::PerMigration,
        };
        let own_lock = settings.flag("postgresql.transactional.lock", true);
        let concurrent = kinds.iter().position(|kind| {
            matches!(
                kind,
                StatementKind::CreateIndex { concurrently: true } | StatementKind::DropIndex { concurrently: true }
            )
        });
        if let Some(at) = concurrent.filter(|_| own_lock && !in_transaction) {
            notes.push(format!(
                "{}:{}: Flyway holds its lock in a transaction of a second session by default, and CONCURRENTLY waits for that one without end: set flyway.postgresql.transactional.lock=false",
                source.name,
                source.position(cuts[at].span.start).line
            ));
        }
        // With its own lock Flyway writes the row in the lock's transaction, on the other session.
        let history = history_write(tree, file, in_transaction && !own_lock && !commits);
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        if tree.is_sqlite() {
            return Connection::default();
        }
        Connection {
            fresh_for_each: false,
            // What its driver asks for; the time zone is the one of the machine Flyway runs on.
            settings: "SET DateStyle TO 'ISO'; SET extra_float_digits TO 3",
            reset: "RESET ROLE; RESET search_path",
        }
    }
}

/// A file's kind, as its attribute says it.
fn kind_of(file: &MigrationFile) -> &str {
    file.attribute("kind").unwrap_or_default()
}

/// A file's version; repeatable ones have none.
fn version_of(file: &MigrationFile) -> Option<Version> {
    (kind_of(file) != Kind::Repeatable.name()).then(|| Version::parse(&file.version)).flatten()
}

/// A description as it fits into the history.
fn description(text: &str) -> String {
    if text.chars().count() <= 200 { text.to_owned() } else { text.chars().take(197).chain("...".chars()).collect() }
}

fn is_grouped(tree: &MigrationTree) -> bool {
    match tree.options.transaction {
        Some(transaction) => transaction == TransactionMode::AllPending,
        None => Settings::new(&tree.attributes).flag("group", false),
    }
}

/// Statements that Flyway itself knows to refuse a transaction; others it finds out by the server's refusal.
fn is_known_outside(cut: &Cut, kind: &StatementKind, source: &SourceFile) -> bool {
    if cut.dialect.is_sqlite() {
        // Nothing else, although SQLite refuses VACUUM as well.
        return matches!(script::sqlite::kind(cut.sql(source)), SqliteStatement::Pragma { name, .. } if name == "foreign_keys");
    }
    match kind {
        StatementKind::CreateIndex { concurrently } | StatementKind::DropIndex { concurrently } => *concurrently,
        StatementKind::Reindex { many_tables, .. } => *many_tables,
        StatementKind::Vacuum => true,
        StatementKind::OutsideTransaction(words) => {
            let is = |start: &str| words.starts_with(start);
            ["DATABASE", "TABLESPACE", "SUBSCRIPTION"]
                .iter()
                .any(|what| is(&format!("CREATE {what}")) || is(&format!("DROP {what}")))
                || is("ALTER SYSTEM")
                || is("DISCARD ALL")
        }
        _ => false,
    }
}

/// Whether Flyway opens a transaction for a file: `<script>.conf` decides, else its statements do.
fn runs_in_transaction(
    tree: &MigrationTree,
    file: &MigrationFile,
    cuts: &[Cut],
    kinds: &[StatementKind],
) -> Result<bool, MigrationError> {
    let settings = Settings::new(&tree.attributes);
    if let Some(asked) = file.attribute("executeInTransaction") {
        return Ok(asked == "true");
    }
    let is_outside = |at: &usize| is_known_outside(&cuts[*at], &kinds[*at], file.file());
    let outside = (0..cuts.len()).find(is_outside);
    let inside = (0..cuts.len()).find(|at| !is_outside(at));
    if let (Some(outside), Some(_), false) = (outside, inside, settings.flag("mixed", false)) {
        let source = file.file();
        return Err(MigrationError::Content {
            file: source.name.clone(),
            line: source.position(cuts[outside].span.start).line,
            reason: "Flyway refuses a file in which some statements can run in a transaction and some cannot: give this one a file of its own, or set mixed".to_owned(),
        });
    }
    let by_default = match tree.options.transaction {
        Some(transaction) => transaction != TransactionMode::None,
        None => settings.flag("executeInTransaction", true),
    };
    Ok(outside.is_none() && by_default)
}

/// In a group everything runs in one transaction, or everything without.
fn refuse_mixed_group(layout: &Flyway, tree: &MigrationTree, selection: &Selection) -> Result<(), MigrationError> {
    let mut first: Option<bool> = None;
    for file in selection.pending.iter().filter_map(|at| tree.files.get(*at)) {
        let cuts = layout.cut(tree, file, &file.up)?;
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(file.file())).collect();
        let in_transaction = runs_in_transaction(tree, file, &cuts, &kinds)?;
        if *first.get_or_insert(in_transaction) == in_transaction {
            continue;
        }
        let reason = if Settings::new(&tree.attributes).flag("mixed", false) {
            "with group and mixed Flyway runs every pending file without a transaction as soon as one has to, which is not rehearsed: turn group off"
        } else {
            "Flyway refuses a group in which some files run in a transaction and some cannot: turn group off, or apply this one alone"
        };
        return Err(MigrationError::Content { file: file.file().name.clone(), line: 1, reason: reason.to_owned() });
    }
    Ok(())
}

/// The history's name as Flyway quotes it, and what has to be there before it.
fn name_history(tree: &mut MigrationTree, settings: &Settings<'_>) {
    let table = settings.text("table", "flyway_schema_history");
    let schema = settings.schema().filter(|_| !tree.is_sqlite());
    let by_default = match &schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
        None if tree.is_sqlite() => format!("\"main\".{}", quoted(table)),
        None => quoted(table),
    };
    let name = tree.keep_history(HISTORY, by_default);
    // Flyway puts it first on every session it opens, and again where it took a script's settings back.
    tree.session.extend(schema.as_deref().map(|schema| {
        format!(
            "SELECT pg_catalog.set_config('search_path', {} || pg_catalog.current_setting('search_path'), false)",
            literal(&format!("{},", quoted(schema)))
        )
    }));
    if tree.is_sqlite() {
        tree.create_history = create_on_sqlite(&name, table);
        return;
    }
    if settings.flag("createSchemas", true) {
        let mut schemas = settings.list("schemas");
        schemas.extend(schema.filter(|schema| !schemas.contains(schema)));
        tree.setup = schemas.iter().map(|schema| create_schema(schema)).collect();
    }
    let bare = name.rsplit('.').next().unwrap_or(&name).trim_matches('"').to_owned();
    tree.create_history = vec![
        format!(
            "CREATE TABLE {name} (\n    \"installed_rank\" INT NOT NULL,\n    \"version\" VARCHAR(50),\n    \
             \"description\" VARCHAR(200) NOT NULL,\n    \"type\" VARCHAR(20) NOT NULL,\n    \
             \"script\" VARCHAR(1000) NOT NULL,\n    \"checksum\" INTEGER,\n    \
             \"installed_by\" VARCHAR(100) NOT NULL,\n    \"installed_on\" TIMESTAMP NOT NULL DEFAULT now(),\n    \
             \"execution_time\" INTEGER NOT NULL,\n    \"success\" BOOLEAN NOT NULL\n)"
        ),
        format!("ALTER TABLE {name} ADD CONSTRAINT {} PRIMARY KEY (\"installed_rank\")", quoted(&format!("{bare}_pk"))),
        format!("CREATE INDEX {} ON {name} (\"success\")", quoted(&format!("{bare}_s_idx"))),
    ];
}

fn create_on_sqlite(name: &str, table: &str) -> Vec<String> {
    let bare = parse_name(name).map_or_else(|| table.to_owned(), |name| name.name);
    vec![
        format!(
            "CREATE TABLE {name} (\n    \"installed_rank\" INT NOT NULL PRIMARY KEY,\n    \"version\" VARCHAR(50),\n    \
             \"description\" VARCHAR(200) NOT NULL,\n    \"type\" VARCHAR(20) NOT NULL,\n    \
             \"script\" VARCHAR(1000) NOT NULL,\n    \"checksum\" INT,\n    \"installed_by\" VARCHAR(100) NOT NULL,\n    \
             \"installed_on\" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),\n    \
             \"execution_time\" INT NOT NULL,\n    \"success\" BOOLEAN NOT NULL\n)"
        ),
        format!("CREATE INDEX \"main\".{} ON {} (\"success\")", quoted(&format!("{bare}_s_idx")), quoted(&bare)),
    ]
}

fn history_write(tree: &MigrationTree, file: &MigrationFile, in_transaction: bool) -> HistoryWrite {
    let table = tree.history_table();
    // SQLite has no users.
    let user = if tree.is_sqlite() { "''" } else { "current_user" };
    let (version, same) = match version_of(file) {
        Some(version) => (literal(&version.text), format!("version = {}", literal(&version.text))),
        None => ("NULL".to_owned(), format!("version IS NULL AND description = {}", literal(&description(&file.name)))),
    };
    let kind = if kind_of(file) == Kind::Baseline.name() { "SQL_BASELINE" } else { "SQL" };
    HistoryWrite {
        table: table.to_owned(),
        applied: vec![format!(
            "INSERT INTO {table} (\"installed_rank\", \"version\", \"description\", \"type\", \"script\", \"checksum\", \
             \"installed_by\", \"execution_time\", \"success\") \
             SELECT coalesce(max(\"installed_rank\"), 0) + 1, {version}, {}, '{kind}', {}, {}, {user}, 0, TRUE FROM {table}",
            literal(&description(&file.name)),
            literal(file.attribute("script").unwrap_or_default()),
            file.checksum.as_deref().unwrap_or("NULL"),
        )],
        in_transaction,
        undo: vec![format!(
            "DELETE FROM {table} WHERE installed_rank = (SELECT max(installed_rank) FROM {table} WHERE {same})"
        )],
        ..HistoryWrite::default()
    }
}

/// Values that the configuration gives, Flyway's own among them as far as files tell them.
fn placeholders(settings: &Settings<'_>, table: &str) -> BTreeMap<String, String> {
    let mut all = settings.starting("placeholders.");
    let separator = settings.text("placeholderSeparator", ":").to_owned();
    let database = settings.get("url").and_then(|url| url.strip_prefix("jdbc:postgresql://")).and_then(|rest| {
        let (_, path) = rest.split_once('/')?;
        path.split(['?', ';']).next().filter(|name| !name.is_empty()).map(str::to_owned)
    });
    let bare = table.rsplit('.').next().unwrap_or(table).trim_matches('"').to_owned();
    let known = [
        ("defaultSchema", settings.schema()),
        ("table", Some(bare)),
        ("database", database),
        ("user", settings.get("user").map(str::to_owned)),
        ("environment", Some(settings.text("environment", "default").to_owned())),
        ("timestamp", Some(jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string())),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            all.entry(format!("flyway{separator}{name}")).or_insert(value);
        }
    }
    all
}

/// A part of a script with values in the place of placeholders.
fn fill_in<'a>(
    tree: &MigrationTree,
    script: &'a Script,
    part: &std::ops::Range<usize>,
) -> Result<cut::Rendered<'a>, MigrationError> {
    let settings = Settings::new(&tree.attributes);
    if !settings.flag("placeholderReplacement", true) {
        let mut rendered = cut::Rendered::new(&script.file).in_dialect(tree.dialect());
        rendered.copy(part.clone());
        return Ok(rendered);
    }
    let filename = format!("flyway{}filename", settings.text("placeholderSeparator", ":"));
    let marks = (settings.text("placeholderPrefix", "${"), settings.text("placeholderSuffix", "}"));
    let value = |name: &str| {
        if name == filename {
            return script.file.path.file_name().map(|name| name.to_string_lossy().into_owned());
        }
        tree.options.placeholders.get(name).cloned()
    };
    cut::fill_in(script, part, marks, value, |name| {
        format!("give it one with `placeholders.{name}` in Flyway's configuration, or in seatrial.toml")
    })
}

/// The folders that hold a project's migrations: all that the configuration names if the one given is among them or is
/// the project's, else the one given.
fn locations(directory: &Path, marker: Option<&Path>, settings: &Settings<'_>) -> Vec<PathBuf> {
    let given = || vec![directory.to_owned()];
    let Some(project) = marker.and_then(Path::parent) else { return given() };
    let project = if project.ends_with("conf") { project.parent().unwrap_or(project) } else { project };
    let named: Vec<PathBuf> = settings
        .list("locations")
        .iter()
        .filter_map(|location| {
            let path = location.strip_prefix("filesystem:").or_else(|| location.strip_prefix("classpath:"));
            let path = path.unwrap_or(location).trim_start_matches('/');
            ["", "src/main/resources"].iter().map(|base| project.join(base).join(path)).find(|folder| folder.is_dir())
        })
        .collect();
    let same = |left: &Path, right: &Path| {
        left.canonicalize().ok().zip(right.canonicalize().ok()).is_some_and(|(left, right)| left == right)
    };
    match named.iter().position(|folder| same(folder, directory)) {
        // As it was given, so that names are as they were asked for.
        Some(at) => named
            .into_iter()
            .enumerate()
            .map(|(each, folder)| if each == at { directory.to_owned() } else { folder })
            .collect(),
        None if same(project, directory) && !named.is_empty() => named,
        None => given(),
    }
}

fn holds_migrations(files: &[(String, PathBuf)], settings: &Settings<'_>) -> bool {
    files.iter().any(|(name, _)| matches!(Name::parse(last(name), settings), Name::Migration { .. }))
}

/// The last part of a relative path.
fn last(relative: &str) -> &str {
    relative.rsplit('/').next().unwrap_or(relative)
}

/// Reads folders, one after the other.
struct Reader<'a> {
    settings: Settings<'a>,
    tree: &'a mut MigrationTree,
    files: Vec<(Kind, Option<Version>, MigrationFile)>,
    undo: Vec<(Version, Arc<SourceFile>)>,
}

impl Reader<'_> {
    fn read(&mut self, folder: &Folder, found: Vec<(String, PathBuf)>) -> Result<(), MigrationError> {
        let beside: HashMap<&str, &Path> =
            found.iter().filter_map(|(name, path)| Some((name.strip_suffix(".conf")?, path.as_path()))).collect();
        for (relative, path) in &found {
            match Name::parse(last(relative), &self.settings) {
                Name::Other => {}
                Name::Callback => {
                    self.tree
                        .notes
                        .push(format!("{relative}: a callback, which Flyway runs and this rehearsal does not"));
                }
                Name::Odd(reason) if self.settings.flag("validateMigrationNaming", false) => {
                    return Err(MigrationError::FileName {
                        file: relative.clone(),
                        reason: format!("Flyway stops at this name: {reason}"),
                    });
                }
                Name::Odd(reason) => self.tree.notes.push(format!("{relative}: passed over as Flyway does: {reason}")),
                Name::Migration { kind, version, description } => {
                    let (file, byte_order_mark) = folder.read(relative, path)?;
                    if let (Kind::Undo, Some(version)) = (kind, &version) {
                        self.undo.push((version.clone(), file));
                        continue;
                    }
                    let conf = beside.get(relative.as_str()).copied();
                    let file = self.migration(kind, version.as_ref(), description, file, relative, conf)?;
                    self.files.push((kind, version, MigrationFile { byte_order_mark, ..file }));
                }
            }
        }
        Ok(())
    }

    fn migration(
        &mut self,
        kind: Kind,
        version: Option<&Version>,
        name: String,
        file: Arc<SourceFile>,
        relative: &str,
        conf: Option<&Path>,
    ) -> Result<MigrationFile, MigrationError> {
        let mut attributes = match conf {
            Some(path) => {
                let text = read_text(path)?;
                settings::properties(&text)
            }
            None => BTreeMap::new(),
        };
        if let Some(expression) = attributes.get("shouldExecute") {
            self.tree
                .notes
                .push(format!("{relative}: runs whatever `shouldExecute={expression}` says, which is not read here"));
        }
        attributes.insert("kind".to_owned(), kind.name().to_owned());
        attributes.insert("script".to_owned(), relative.to_owned());
        let raw = checksum(&file.text).to_string();
        let up = Script::whole(file);
        let mut sum = Some(raw.clone());
        if kind == Kind::Repeatable && attributes.get("placeholderReplacement").is_none_or(|value| value != "false") {
            // Of what it says once filled in; without a value for each placeholder only the text itself is known.
            let whole = 0..up.file.text.len();
            sum = fill_in(self.tree, &up, &whole).ok().map(|rendered| checksum(rendered.text()).to_string());
            attributes.insert("raw_checksum".to_owned(), raw);
        }
        let version = version.map_or_else(|| relative.to_owned(), |version| version.text.clone());
        Ok(MigrationFile { version, name, up, down: None, checksum: sum, byte_order_mark: false, attributes })
    }
}

/// In the order they run: by version, repeatable ones last, by description.
fn sorted(
    mut files: Vec<(Kind, Option<Version>, MigrationFile)>,
    undo: Vec<(Version, Arc<SourceFile>)>,
    notes: &mut Vec<String>,
) -> Result<Vec<MigrationFile>, MigrationError> {
    let key = |(kind, version, file): &(Kind, Option<Version>, MigrationFile)| {
        let description = version.is_none().then(|| file.name.clone());
        (version.is_none(), version.clone(), *kind, description)
    };
    files.sort_by_cached_key(key);
    if let Some([first, second]) = files.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err(MigrationError::DuplicateVersion {
            version: first.1.as_ref().map_or_else(|| first.2.name.clone(), |version| version.text.clone()),
            first: first.2.file().name.clone(),
            second: second.2.file().name.clone(),
        });
    }
    let places: BTreeMap<Version, usize> = files
        .iter()
        .enumerate()
        .filter(|(_, (kind, _, _))| *kind == Kind::Versioned)
        .filter_map(|(at, (_, version, _))| Some((version.clone()?, at)))
        .collect();
    for (version, down) in undo {
        let of = places.get(&version).and_then(|at| files.get_mut(*at));
        take_back(of.map(|(_, _, file)| file), &version.text, Script::whole(down), notes)?;
    }
    Ok(files.into_iter().map(|(_, _, file)| file).collect())
}

/// CRC-32 of the lines without their ends, as the signed number Java makes of it.
fn checksum(text: &str) -> i32 {
    let mut sum = flate2::Crc::new();
    text.replace("\r\n", "\n").split(['\n', '\r']).for_each(|line| sum.update(line.as_bytes()));
    i32::from_ne_bytes(sum.sum().to_ne_bytes())
}

#[cfg(test)]
#[path = "flyway/tests.rs"]
mod tests;
