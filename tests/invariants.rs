//! What ARCHITECTURE.md says is never there, looked for in the source; needs no server.

use seatrial::check;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Most lines a file in `src/` may have, its tests left out.
const LONGEST: usize = 600;

/// Types outside the report that are serialised, and for whom: records in the cache and words between two processes of
/// Seatrial's, which nobody else reads.
const CACHE_RECORDS: [(&str, &str); 12] = [
    ("src/copy/base.rs", "BaseRecord"),
    ("src/copy/fidelity.rs", "Grade"),
    ("src/copy/fingerprint.rs", "Known"),
    ("src/copy/keeper.rs", "Order"),
    ("src/copy/keeper.rs", "Told"),
    ("src/copy/origin.rs", "OriginSettings"),
    ("src/copy/provider/clones.rs", "Record"),
    ("src/copy/provider/marker.rs", "Marker"),
    ("src/copy/sqlite/base.rs", "Record"),
    ("src/copy/state/by_hand.rs", "CopyRecord"),
    ("src/observation/embedded.rs", "Checks"),
    ("src/observation/embedded.rs", "Orphans"),
];

/// One file of `src/`.
struct Source {
    /// From the package's root, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, those that are comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }

    fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.name.starts_with(folder))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    assert!(files.len() > 50, "the source is where it was");
    let source = |path: PathBuf| Source {
        name: path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/"),
        text: std::fs::read_to_string(&path).expect("source is text"),
    };
    files.into_iter().map(source).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every `file:line` whose code holds one of `words`, as whole words where they begin or end with a letter.
fn places(sources: &[Source], words: &[&str], allowed: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !allowed(source)) {
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| has(line, word)) {
                places.push(format!("{}:{number}: {word}", source.name));
            }
        }
    }
    places
}

fn has(line: &str, word: &str) -> bool {
    let is_letter = |character: Option<char>| character.is_some_and(|each| each.is_alphanumeric() || each == '_');
    let joins = |beside: Option<char>, end: Option<char>| is_letter(beside) && is_letter(end);
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let runs_on = joins(before.chars().next_back(), word.chars().next())
            || joins(after.chars().next(), word.chars().next_back());
        !runs_on
    })
}

#[test]
fn words_are_found_whole() {
    assert!(has("use std::process::Command;", "process::Command"));
    assert!(has("    println!(\"x\")", "println!"));
    assert!(!has("    eprintln!(\"x\")", "println!"));
    assert!(!has("#[derive(Deserialize)]", "Serialize"));
    assert!(!has("let unsafely = 1;", "unsafe"));
}

#[test]
fn only_engine_and_copy_open_connections_or_start_programs() {
    let words = [
        "PgConnection",
        "PgConnectOptions",
        "PgPool",
        "connect_with",
        "Session::connect",
        "UnixStream",
        "TcpStream",
        "TcpListener",
        "process::Command",
        "Command::new",
        "tokio::process",
        "Tool::new",
        "Server::start",
        "posix_spawn",
        "execv",
        "fork",
    ];
    let sources = sources();
    // git is asked what is new, and never writes.
    let git = "src/migration/git.rs";
    let found = places(&sources, &words, |source| source.is_below(&["src/engine/", "src/copy/"]) || source.name == git);
    assert!(found.is_empty(), "{found:#?}");
    assert!(!places(&sources, &words, |_| false).is_empty(), "engine/ opens connections in words this test knows");
}

#[test]
fn connections_are_made_in_one_file_per_engine() {
    let found =
        places(&sources(), &["PgConnection", "connect_with"], |source| source.name == "src/engine/postgres/session.rs");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_report_writes_standard_output() {
    let words =
        ["io::stdout", "anstream::stdout", "stdout().lock", "println!", "print!", "Stdio::inherit", "STDOUT_FILENO"];
    let found = places(&sources(), &words, |source| source.name == "src/report/output.rs");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn dynamic_sql_reaches_sqlx_in_one_file_per_engine() {
    let sources = sources();
    let outside = places(&sources, &["AssertSqlSafe"], |source| source.is_below(&["src/engine/"]));
    assert!(outside.is_empty(), "{outside:#?}");
    let mut per_engine: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.code().any(|(_, line)| has(line, "AssertSqlSafe"))) {
        let engine =
            source.name.strip_prefix("src/engine/").and_then(|rest| rest.split_once('/')).map(|(engine, _)| engine);
        per_engine.entry(engine.expect("in a folder of an engine")).or_default().insert(&source.name);
    }
    assert!(per_engine.values().all(|files| files.len() == 1), "{per_engine:#?}");
    assert!(per_engine.contains_key("postgres"), "{per_engine:#?}");
}

#[test]
fn nothing_but_the_report_and_cache_records_is_serialised() {
    let mut found = BTreeSet::new();
    // Besides the report, two formats are others' object models, which are filled from it and from nothing else.
    let models = ["src/report/v1.rs", "src/report/v1/", "src/report/sarif/model.rs", "src/report/gitlab.rs"];
    for source in sources().iter().filter(|source| !source.is_below(&models)) {
        let mut derives = false;
        for (number, line) in source.code() {
            let line = line.trim_start();
            if has(line, "Serialize") && !line.starts_with("use ") {
                assert!(line.starts_with("#[derive("), "{}:{number}: Serialize written by hand", source.name);
                derives = true;
            } else if derives && !line.starts_with("#[") {
                let name = line.split(|character: char| !character.is_alphanumeric() && character != '_');
                let name = name.skip_while(|word| !matches!(*word, "struct" | "enum")).nth(1).expect("a type");
                found.insert((source.name.clone(), name.to_owned()));
                derives = false;
            }
        }
    }
    let expected: BTreeSet<_> = CACHE_RECORDS.map(|(file, name)| (file.to_owned(), name.to_owned())).into();
    assert_eq!(found, expected);
}

#[test]
fn byte_offsets_become_lines_in_one_function() {
    let found = places(&sources(), &["LineColumn {"], |source| source.name == "src/migration/mod.rs");
    assert!(found.is_empty(), "{found:#?}");
    let made = read("src/migration/mod.rs").matches("        LineColumn {").count();
    assert_eq!(made, 1, "SourceFile::position makes it");
}

#[test]
fn there_is_no_unsafe_and_the_lints_that_hold_the_house_rules_are_on() {
    let found = places(&sources(), &["unsafe"], |_| false);
    assert!(found.is_empty(), "{found:#?}");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let lint = |group: &str, name: &str| manifest["lints"][group][name].as_str().expect("a level").to_owned();
    assert_eq!(lint("rust", "unsafe_code"), "forbid");
    assert_eq!(lint("rust", "missing_docs"), "warn");
    for name in ["unwrap_used", "print_stdout", "print_stderr", "dbg_macro", "todo"] {
        assert_eq!(lint("clippy", name), "deny", "{name}");
    }
}

#[test]
fn no_source_file_is_too_long() {
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        let tests = lines.windows(3).position(|window| {
            window[0] == "#[cfg(test)]" && window[1..].iter().any(|line| line.starts_with("mod tests {"))
        });
        let count = tests.unwrap_or(lines.len());
        assert!(count <= LONGEST, "{} has {count} lines: split it", source.name);
    }
}

#[test]
fn the_page_of_findings_says_what_the_checks_say() {
    let page = read("docs/findings.md");
    let (introduction, _) = page.split_once("\n## ").expect("sections");
    let wanted = format!("{introduction}\n{}", check::sections());
    if std::env::var_os("SEATRIAL_BLESS").is_some() {
        std::fs::write(root().join("docs/findings.md"), &wanted).expect("a page that can be written");
    } else {
        assert!(page == wanted, "write it with SEATRIAL_BLESS=1 cargo test --test invariants");
    }
}

#[test]
fn a_check_is_one_file_and_one_line_as_contributing_shows() {
    let page = read("CONTRIBUTING.md");
    let section = page.split("## Add a check").nth(1).expect("a section");
    let mut shown = section.split("```rust\n").skip(1).filter_map(|code| code.split("```").next());
    assert_eq!(shown.next(), Some(read("src/check/emptied.rs").as_str()), "the example is a check that is there");
    let line = shown.next().expect("the line");
    let list = read("src/check/mod.rs");
    assert!(list.contains(line), "{line}");
    // Besides the line and the module it names, nothing of the program knows this check or any other.
    for (folder, module, names) in
        [("src/check", "", &list), ("src/check/sqlite", "sqlite::", &read("src/check/sqlite/mod.rs"))]
    {
        for file in std::fs::read_dir(root().join(folder)).expect("checks") {
            let path = file.expect("a file").path();
            if path.is_dir() || !std::fs::read_to_string(&path).expect("text").contains("const CHECK: Check") {
                continue;
            }
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert_eq!(list.matches(&format!("    {module}{name}::CHECK,\n")).count(), 1, "{name}");
            assert_eq!(names.matches(&format!("mod {name};\n")).count(), 1, "{name}");
        }
    }
    let known = ["mod emptied", "emptied::CHECK", "plan/emptied"];
    let elsewhere = places(&sources(), &known, |source| source.is_below(&["src/check/emptied.rs"]));
    assert_eq!(elsewhere.len(), 2, "the module and the line: {elsewhere:?}");
}

#[test]
fn the_architecture_page_names_every_module_and_no_file_that_is_gone() {
    let page = read("ARCHITECTURE.md");
    for entry in std::fs::read_dir(root().join("src")).expect("src") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if entry.path().is_dir() { format!("`src/{name}/`") } else { format!("`src/{name}`") };
        assert!(page.contains(&name), "the code map lacks {name}");
    }
    // A path in backticks that begins in src/, or in one of its folders, is there.
    let folders: Vec<String> = std::fs::read_dir(root().join("src"))
        .expect("src")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned() + "/")
        .collect();
    for code in page.split('`').skip(1).step_by(2) {
        let below_src = folders.iter().any(|folder| code.starts_with(folder.as_str()));
        let at_root = ["src/", "tests/", "docs/", "schema/", "scripts/"].iter().any(|folder| code.starts_with(folder));
        let path = if below_src { root().join("src").join(code) } else { root().join(code) };
        let placeholder = code.contains(|character: char| "<*… ".contains(character));
        if (below_src || at_root) && !placeholder {
            assert!(path.exists(), "ARCHITECTURE.md names `{code}`, which is not there");
        }
    }
    // Within the code map a bare file name belongs to the folder its section is about; the heading's first backtick is
    // gone with the split.
    for section in page.split("\n### `src/").skip(1) {
        let folder = section.split('`').next().unwrap_or_default();
        let folder = root().join("src").join(folder.trim_end_matches(".rs"));
        let section = section.split("\n### ").next().unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        for code in section.split('`').skip(2).step_by(2).filter(|code| code.ends_with(".rs") && !code.contains('/')) {
            let mut files = Vec::new();
            walk(&folder, &mut files);
            let there = files.iter().any(|file| file.file_name().is_some_and(|name| name == code));
            assert!(there, "ARCHITECTURE.md names `{code}`, which is not in {}", folder.display());
        }
    }
}

#[test]
fn the_architecture_page_says_what_each_dependency_is_for() {
    let page = read("ARCHITECTURE.md");
    let table = page.split("\n## Dependencies").nth(1).expect("a section");
    let named: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`')))
        .collect();
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    // Those of single systems stand in tables of their own.
    let systems = manifest["target"].as_table().expect("a table").values();
    let kept: BTreeSet<&str> = ["dependencies", "dev-dependencies"]
        .iter()
        .map(|table| &manifest[*table])
        .chain(systems.map(|system| &system["dependencies"]))
        .flat_map(|table| table.as_table().expect("a table").keys().map(String::as_str))
        .collect();
    assert_eq!(named, kept);
}

#[test]
fn every_dependency_is_released_and_has_a_licence_that_fits() {
    const FITTING: [&str; 10] = [
        "Apache-2.0",
        "MIT",
        "MIT-0",
        "ISC",
        "BSD-3-Clause",
        "Zlib",
        "0BSD",
        "BSL-1.0",
        "Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ];
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let fits = |expression: &str| {
        expression.split(" AND ").all(|part| {
            let part = part.replace(['(', ')'], "").replace('/', " OR ");
            part.split(" OR ").any(|licence| FITTING.contains(&licence))
        })
    };
    let mut wrong = Vec::new();
    for package in told["packages"].as_array().expect("packages") {
        let (name, licence) =
            (package["name"].as_str().expect("a name"), package["license"].as_str().unwrap_or_default());
        let released = package["source"].as_str().is_none_or(|source| source.starts_with("registry+"));
        if !fits(licence) || !released {
            wrong.push(format!("{name}: {licence} from {}", package["source"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!fits("GPL-3.0-only") && !fits("MIT AND GPL-3.0-only"), "nothing would be found");
}

/// What forges call the section that a heading begins; nothing for other lines.
fn anchor(line: &str) -> String {
    let title = line.trim_start_matches('#');
    if title == line {
        return String::new();
    }
    let kept = title.trim().chars().filter(|each| each.is_alphanumeric() || " -_".contains(*each));
    kept.map(|each| if each == ' ' { '-' } else { each.to_ascii_lowercase() }).collect()
}

#[test]
fn pages_name_each_other_and_the_licences_are_there() {
    let docs = std::fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("it").file_name());
    let docs = docs.map(|name| format!("docs/{}", name.to_string_lossy())).filter(|name| name.ends_with(".md"));
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    let contents = read("docs/README.md");
    for page in pages.into_iter().chain(docs) {
        for target in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(&page) } else { root().join(&page).with_file_name(file) };
            assert!(path.exists(), "{page} links to {target}, which is not there");
            let found = section.is_empty()
                || std::fs::read_to_string(&path).expect("a page").lines().any(|line| anchor(line) == section);
            assert!(found, "{page} links to {target}, which has no such section");
        }
        if let Some(name) = page.strip_prefix("docs/").filter(|name| *name != "README.md") {
            assert!(contents.contains(&format!("]({name})")), "docs/README.md leads to {name}");
        }
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(read(licence).len() > 500, "{licence}");
    }
}
