//! What Sqitch makes of a project. Ids and hashes are those Sqitch 1.3.1 computed.

use super::super::tests::{folder, read as read_with, read_named};
use super::*;
use crate::migration::TransactionMode;
use crate::migration::history::pending;
use std::collections::BTreeMap;

const PLAN: &str = "%syntax-version=1.0.0\n%project=tides\n%uri=https://example.org/tides/\n\n\
    harbours 2026-11-23T02:59:54Z Ada Mole <ada@example.org> # Harbours with a tide gauge.\n\
    readings [harbours] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # What the gauges say; one row for each reading.\n\
    @v1.0 2026-11-23T03:00:00Z Ada Mole <ada@example.org> # First season.\n\n\
    reading-unit [readings] 2026-11-23T03:00:02Z Ada Mole <ada@example.org> # Centimetres or feet.\n\
    index-readings [readings@v1.0 !weather:old-index] 2026-11-23T03:00:05Z Ada Mole <ada@example.org> # For the list of a harbour.\n\
    @v1.1 2026-11-23T03:00:07Z Ada Mole <ada@example.org> # Second season.\n";
const CONFIGURATION: &str = "[core]\n\tengine = pg\n[engine \"pg\"]\n\ttarget = db:pg:sq\n[core \"variables\"]\n\treader = tide_reader ; who reads\n";
const HARBOURS: &str = "15365d35b2ea0bd2e0c1123fe0152e8224fa8b0e";
const READINGS: &str = "c87aec5210b1412e52ef9a3fe348a5adb88af4db";

fn project(more: &[(&str, &str)]) -> tempfile::TempDir {
    let mut files = BTreeMap::from([
        ("sqitch.plan", PLAN),
        ("sqitch.conf", CONFIGURATION),
        (".git/HEAD", ""),
        ("deploy/harbours.sql", "BEGIN;\nCREATE TABLE harbours ();\nCOMMIT;\n"),
        ("revert/harbours.sql", "BEGIN;\nDROP TABLE harbours;\nCOMMIT;\n"),
        ("deploy/readings.sql", "SELECT 2;\n"),
        ("deploy/reading-unit.sql", "\\set unit 'cm'\nBEGIN;\nSELECT :'unit';\n\\i deploy/grant.sql\nCOMMIT;\n"),
        ("deploy/grant.sql", "GRANT SELECT ON readings TO :\"reader\";\n"),
        ("deploy/index-readings.sql", "CREATE INDEX CONCURRENTLY i ON readings (harbour);\n"),
    ]);
    files.extend(more.iter().copied());
    folder(&files.into_iter().filter(|(_, text)| *text != "gone").collect::<Vec<_>>())
}

fn with<T>(more: &[(&str, &str)], what: impl Fn(&MigrationTree) -> T) -> Result<T, MigrationError> {
    let folder = project(more);
    // Includes are read when a script is cut.
    read_with(&Sqitch, &[folder.path().to_owned()], folder.path()).map(|tree| what(&tree))
}

fn message(more: &[(&str, &str)]) -> String {
    with(more, |_| ()).expect_err("stops").to_string()
}

fn row(id: &str, change: &str, project: &str) -> Row {
    [id, change, project, "0000"].map(|value| Some(value.to_owned())).to_vec()
}

fn applied() -> [Row; 2] {
    [row(HARBOURS, "harbours", "tides"), row(READINGS, "readings", "tides")]
}

#[test]
fn ids_are_those_of_sqitch() {
    let ids = |tree: &MigrationTree| {
        tree.files
            .iter()
            .map(|file| (file.version.clone(), file.attribute(ID).unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    let expected = [
        ("harbours", HARBOURS),
        ("readings", READINGS),
        ("reading-unit", "6103fa5ec5e8e7a0500000956fe356e5f853a231"),
        ("index-readings", "2380dcd558958eb9f82b8cc487d96a1875dbda14"),
    ];
    assert_eq!(with(&[], ids).expect("readable"), expected.map(|(name, id)| (name.to_owned(), id.to_owned())));
    let windows = PLAN.replace('\n', "\r\n");
    assert_eq!(with(&[("sqitch.plan", &windows)], ids).expect("readable").len(), 4);
}

#[test]
fn what_follows_the_change_deployed_last_is_pending() {
    let folder = project(&[]);
    let tree = read_with(&Sqitch, &[folder.path().to_owned()], folder.path()).expect("readable");
    let found = pending(&tree, Some(&applied()), None).expect("pending");
    let told: Vec<(&str, TransactionMode, Vec<&str>)> = found
        .migrations
        .iter()
        .map(|each| (each.version.as_str(), each.transaction, each.statements.iter().map(|each| each.sql()).collect()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "reading-unit",
                TransactionMode::Explicit,
                vec!["BEGIN", "SELECT 'cm'", "GRANT SELECT ON readings TO \"tide_reader\"", "COMMIT"]
            ),
            ("index-readings", TransactionMode::None, vec!["CREATE INDEX CONCURRENTLY i ON readings (harbour)"]),
        ]
    );
    assert_eq!(found.edited.len(), 2, "the hashes in the rows are made up");
    assert!(found.migrations[0].connection.fresh_for_each);
    let history = found.migrations[1].history.as_ref().expect("rows");
    assert!(!history.in_transaction && history.begun.is_empty());
    assert!(history.applied[0].starts_with(
        "INSERT INTO sqitch.changes (change_id, script_hash, change, project, note, committer_name, committer_email, \
         planned_at, planner_name, planner_email) VALUES ('2380dcd558958eb9f82b8cc487d96a1875dbda14', '"
    ));
    assert!(
        history.applied[1].ends_with(&format!("'require', 'readings@v1.0', '{READINGS}')")),
        "{}",
        history.applied[1]
    );
    assert!(history.applied[2].ends_with("'conflict', 'weather:old-index', NULL)"));
    assert!(
        history.applied[3].contains("'@v1.1', 'tides', '2380dcd558958eb9f82b8cc487d96a1875dbda14', 'Second season.'")
    );
    assert!(
        history.applied[4]
            .contains("ARRAY['@v1.1']::text[], ARRAY['readings@v1.0']::text[], ARRAY['weather:old-index']::text[]")
    );
    assert_eq!(history.undo.len(), 3);
}

#[test]
fn the_first_change_registers_its_project() {
    let folder = project(&[]);
    let tree = read_with(&Sqitch, &[folder.path().to_owned()], folder.path()).expect("readable");
    let other = [row("00", "gauges", "weather")];
    let found = pending(&tree, Some(&other), None).expect("pending");
    assert_eq!(found.migrations.len(), 4);
    let history = found.migrations[0].history.as_ref().expect("rows");
    assert!(history.begun[0].starts_with("INSERT INTO sqitch.projects"), "{:?}", history.begun);
    assert!(history.undo[3].starts_with("DELETE FROM sqitch.projects WHERE project = 'tides' AND NOT EXISTS"));
    assert!(found.migrations[1].history.as_ref().expect("rows").begun.is_empty());
    assert_eq!(found.migrations[0].down.as_ref().expect("a revert script").statements.len(), 3);
    assert!(found.migrations[1].down.is_none());
    assert!(tree.create_history.last().expect("the project").contains("'https://example.org/tides/'"));
}

#[test]
fn sqitch_stops_where_plan_and_registry_part() {
    let select = |rows: &[Row]| with(&[], |tree| Sqitch.select(tree, Some(rows))).expect("readable");
    let gone = select(&[row("ffff", "elsewhere", "tides")]).expect_err("not in the plan").to_string();
    assert!(gone.contains("the change deployed last, elsewhere (ffff), is not in the plan"), "{gone}");
    let skipped = select(&applied()[1..]).expect("goes on");
    assert_eq!(skipped.pending, [2, 3]);
    assert!(skipped.notes[0].contains("Sqitch never runs it"), "{:?}", skipped.notes);
    let conflict = select(&[&applied()[..], &[row("00", "old-index", "weather")]].concat());
    assert!(
        conflict
            .expect_err("the last is not tides'")
            .to_string()
            .contains("index-readings conflicts with weather:old-index")
    );
    let requires = PLAN.replace("!weather", "weather");
    let error = with(&[("sqitch.plan", &requires)], |tree| Sqitch.select(tree, Some(&applied()))).expect("readable");
    assert!(error.expect_err("not there").to_string().contains("requires weather:old-index, which is not deployed"));
}

#[test]
fn a_reworked_change_has_its_old_script_under_the_tag() {
    let plan =
        format!("{PLAN}\nreadings [readings@v1.1] 2026-11-24T03:00:02Z Ada Mole <ada@example.org> # Reworked.\n");
    let files = [("sqitch.plan", plan.as_str()), ("deploy/readings@v1.1.sql", "SELECT 'old';")];
    let (versions, text) = with(&files, |tree| {
        let versions: Vec<String> = tree.files.iter().map(|file| file.version.clone()).collect();
        (versions, tree.files[1].file().text.clone())
    })
    .expect("readable");
    assert_eq!(versions, ["harbours", "readings@v1.0", "reading-unit", "index-readings", "readings"]);
    assert_eq!(text, "SELECT 'old';");
}

#[test]
fn mistakes_in_a_plan_are_named_with_their_lines() {
    let plan = |from: &str, to: &str| message(&[("sqitch.plan", &PLAN.replace(from, to))]);
    assert!(plan("%project=tides\n", "").contains("sqitch.plan:1: there is no %project line"));
    assert!(plan("\n\nharbours", "\nharbours").contains("sqitch.plan:4: an empty line has to stand"));
    assert!(plan("[harbours]", "[piers]").contains("sqitch.plan:6: it requires piers, which is not planned before it"));
    assert!(plan("[readings]", "[@v1.1]").contains("which is not planned before it"));
    assert!(plan("!weather:old-index", "!old-index").contains("it conflicts with old-index, which is not planned"));
    assert!(plan("@v1.1", "@v1.0").contains("this tag is there twice"));
    assert!(plan("index-readings", "reading-unit").contains("in line 9, and no tag lies between"));
    assert!(plan("harbours 2026-11-23T02:59:54Z", "harbours today").contains("there is no time like"));
    assert!(plan("Ada Mole <ada@example.org> # Harb", "# Harb").contains("there is no planner"));
    assert!(plan("harbours 2026", "har:bours 2026").contains("this is not a name"));
}

#[test]
fn scripts_that_are_not_there_matter_when_they_run() {
    let found = |rows: &[Row]| {
        with(&[("deploy/harbours.sql", "gone")], |tree| pending(tree, Some(rows), None).map(|_| ())).expect("readable")
    };
    assert!(found(&[]).expect_err("to be run").to_string().contains("deploy/harbours.sql: no such file"));
    let folder = project(&[("deploy/readings.sql", "BEGIN;\nSELECT 1;\n")]);
    let tree = read_with(&Sqitch, &[folder.path().to_owned()], folder.path()).expect("readable");
    let error = pending(&tree, Some(&applied()[..1]), None).expect_err("psql rolls it back").to_string();
    assert!(error.starts_with("deploy/readings.sql:1: this BEGIN is never committed"), "{error}");
}

#[test]
fn its_configuration_says_where_things_are() {
    let configuration = "# ours\n[core]\n  engine = pg\n  top_dir = db\n[engine \"pg\"]\n  registry = \"meta\"\n  plan_file = db/tides.plan\n\
        [deploy]\n  verify = true\n[deploy \"variables\"]\n  reader = r\n";
    let moved = [
        ("sqitch.conf", configuration),
        ("sqitch.plan", "gone"),
        ("db/tides.plan", PLAN),
        ("db/deploy/harbours.sql", "SELECT :'reader';"),
    ];
    let folder = project(&moved);
    for given in [folder.path().to_owned(), folder.path().join("db"), folder.path().join("db/deploy")] {
        let tree = read_named(std::slice::from_ref(&given), None, folder.path()).expect("readable");
        assert_eq!((tree.layout, tree.history_table()), ("sqitch", "meta.changes"), "{}", given.display());
        assert!(tree.detected.as_deref().is_some_and(|why| why.ends_with("tides.plan is there")));
        assert_eq!(tree.files[0].file().name, "db/deploy/harbours.sql");
        assert!(tree.notes[0].starts_with("deploy.verify is set"));
        let cuts = Sqitch.cut(&tree, &tree.files[0], &tree.files[0].up).expect("runs");
        assert_eq!(cuts[0].sql(tree.files[0].file()), "SELECT 'r'");
    }
    let one = read_with(&Sqitch, &[folder.path().join("db/deploy/harbours.sql")], folder.path()).expect("one script");
    assert_eq!(one.files.len(), 1);
    let mysql = message(&[("sqitch.conf", "[core]\nengine = mysql\n")]);
    assert!(mysql.contains("core.engine is mysql"), "{mysql}");
    assert!(message(&[("sqitch.conf", "engine = pg\n")]).contains("line 1 is neither"));
}
