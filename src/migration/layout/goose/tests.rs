use super::super::LayoutOptions;
use super::super::tests::{folder, read as read_with};
use super::*;

fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_with(&Goose, &[folder.path().to_owned()], folder.path())
}

/// The statements goose sends going up, for a file with this text.
fn up(text: &str) -> Result<Vec<String>, MigrationError> {
    let tree = read(&[("1_a.sql", text)])?;
    let file = &tree.files[0];
    let cuts = Goose.cut(&tree, file, &file.up)?;
    Ok(cuts.iter().map(|cut| cut.sql(file.file()).to_owned()).collect())
}

fn grouping(text: &str) -> Result<Grouping, MigrationError> {
    let tree = read(&[("7_a.sql", text)])?;
    let cuts = Goose.cut(&tree, &tree.files[0], &tree.files[0].up)?;
    Goose.grouping(&tree, &tree.files[0], &cuts, None)
}

fn rows(rows: &[(i64, bool)]) -> Vec<Row> {
    let row = |(version, is_applied): &(i64, bool)| {
        vec![Some(version.to_string()), Some(if *is_applied { "t" } else { "f" }.to_owned())]
    };
    rows.iter().map(row).collect()
}

const PLAIN: &str = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 0;\n";

#[test]
fn names_are_numbers_above_zero_in_their_order() {
    let tree = read(&[
        ("00010_ten.sql", PLAIN),
        ("9_nine_x.sql", PLAIN),
        ("20240102030405_late.sql", "-- +goose Up\n"),
        ("0_zero.sql", PLAIN),
        ("seed.sql", "SELECT 1;"),
        ("12_code.go", "package migrations"),
        ("12_code_test.go", "package migrations"),
    ])
    .expect("readable");
    let found: Vec<(&str, &str)> = tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
    assert_eq!(found, [("9", "nine_x"), ("10", "ten"), ("20240102030405", "late")]);
    assert!(tree.files[0].down.is_some() && tree.files[2].down.is_none());
    assert_eq!(tree.attributes["code"], "12 12_code.go");
    assert_eq!(tree.notes.len(), 2, "{:?}", tree.notes);
    let twice = read(&[("1_a.sql", PLAIN), ("01_b.sql", PLAIN)]);
    assert!(matches!(twice, Err(MigrationError::DuplicateVersion { .. })));
}

#[test]
fn a_statement_ends_with_the_line_that_ends_in_a_semicolon() {
    let text = "-- +goose Up\n-- about it\nCREATE TABLE a (\n  x int -- not here;\n);  -- but here\n\n\
                SELECT 1; SELECT 2;\nSELECT 3 ;SELECT 4\n;\n-- +goose Down\nDROP TABLE a;\n";
    assert_eq!(
        up(text).expect("statements"),
        ["CREATE TABLE a (\n  x int -- not here;\n)", "SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"]
    );
    assert_eq!(up("-- +goose Up\r\nSELECT 'a\r\nb';\r\n").expect("statements"), ["SELECT 'a\nb'"]);
    assert_eq!(up("--+goose up\nSELECT 1;").expect("no space, no capital"), ["SELECT 1"]);
    assert_eq!(up("-- +goose Up\n").expect("nothing"), [""; 0]);
}

#[test]
fn blocks_keep_their_semicolons() {
    let body = "CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$ LANGUAGE plpgsql;";
    let text =
        format!("-- +goose Up\n-- +goose StatementBegin\n{body}\nSELECT f();\n-- +goose StatementEnd\nSELECT 2;\n");
    assert_eq!(up(&text).expect("statements"), [body.trim_end_matches(';'), "SELECT f()", "SELECT 2"]);
    let bare = format!("-- +goose NO TRANSACTION\n{text}");
    assert_eq!(
        up(&bare).expect("statements").len(),
        2,
        "a block is one string, which only matters outside a transaction"
    );
}

#[test]
fn a_function_outside_a_block_is_torn_as_goose_tears_it() {
    let text = "-- +goose Up\nCREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$ LANGUAGE plpgsql;\n";
    let sent = up(text).expect("statements");
    assert_eq!(sent[0], "CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;");
    assert_eq!(sent.len(), 3);
    let notes = grouping(text).expect("groups").notes;
    assert!(notes[0].starts_with("7_a.sql:2: goose ends a statement at each line"), "{notes:?}");
}

#[test]
fn what_goose_stops_at_is_an_error_once_the_file_is_pending() {
    for (text, expected) in [
        ("", "1_a.sql:1: goose stops at a file without `-- +goose Up`"),
        ("-- just this\n", "1_a.sql:1: goose stops at a file without"),
        ("\u{feff}-- +goose Up\nSELECT 1;\n", "1_a.sql:1: begins with a byte order mark"),
        ("SELECT 1;\n-- +goose Up\n", "1_a.sql:1: goose expects `-- +goose Up`"),
        ("-- +goose Up\nSELECT 1\n-- +goose Down\nSELECT 0;\n", "1_a.sql:2: no line ends this statement"),
        ("-- +goose Up\nSELECT 1;\nSELECT 2", "1_a.sql:3: no line ends this statement"),
        ("-- +goose Up\n-- +goose Up\n", "1_a.sql:2: a second `-- +goose Up`"),
        ("-- +goose Down\n", "1_a.sql:1: `-- +goose Down` has to follow"),
        ("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", "1_a.sql:3: no `-- +goose StatementEnd`"),
        ("-- +goose Up\n-- +goose StatementEnd\n", "1_a.sql:2: `-- +goose StatementEnd` without"),
        ("-- +goose Up\n  -- +goose NO TRANSACTION\n", "1_a.sql:2: goose stops at whitespace"),
        ("-- +goose Up\n-- +goose Sideways\n", "1_a.sql:2: goose does not know the annotation `Sideways`"),
    ] {
        let message = up(text).expect_err(text).to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    assert!(read(&[("1_a.sql", "")]).is_ok(), "an applied file may hold anything");
    let torn = read(&[("1_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 0\n")]).expect("readable");
    assert!(torn.files[0].down.is_none());
    assert!(torn.notes[0].starts_with("1_a.sql:4: goose refuses to run Down"), "{:?}", torn.notes);
}

#[test]
fn variables_are_filled_in_where_that_is_switched_on() {
    let text = "-- +goose Up\nSELECT '$A';\n-- +goose ENVSUB ON\nCREATE ROLE ${A};\nSELECT '${B:-none} $A$A \\$A $1';\n\
                -- +goose StatementBegin\n-- +goose ENVSUB OFF\nDO $$ BEGIN END $$;\n-- +goose StatementEnd\n";
    let folder = folder(&[("1_a.sql", text), ("2_b.sql", "-- +goose Up\n-- +goose ENVSUB ON\n\nSELECT ${C};\n")]);
    let options =
        LayoutOptions { placeholders: [("A".to_owned(), "ada".to_owned())].into(), ..LayoutOptions::default() };
    let paths = [folder.path().to_owned()];
    let tree = Goose.read(&Request { paths: &paths, root: folder.path(), options: &options }).expect("readable");
    let cuts = Goose.cut(&tree, &tree.files[0], &tree.files[0].up).expect("values for all");
    let file = tree.files[0].file();
    let sent: Vec<(&str, usize)> = cuts.iter().map(|cut| (cut.sql(file), file.position(cut.span.start).line)).collect();
    assert_eq!(
        sent,
        [("SELECT '$A'", 2), ("CREATE ROLE ada", 4), ("SELECT 'none adaada $A $1'", 5), ("DO $$ BEGIN END $$", 8)]
    );
    let message = Goose.cut(&tree, &tree.files[1], &tree.files[1].up).expect_err("no value").to_string();
    assert!(message.starts_with("2_b.sql:4: ${C} has no value: goose takes it from its environment"), "{message}");
}

#[test]
fn what_is_older_than_the_newest_is_refused_unless_allowed() {
    let files = [("1_a.sql", PLAIN), ("2_b.sql", PLAIN), ("3_c.sql", PLAIN), ("4_d.sql", PLAIN)];
    let mut tree = read(&files).expect("readable");
    let pending = |tree: &MigrationTree, log: &[(i64, bool)]| {
        Goose.select(tree, Some(&rows(log))).map(|selection| selection.pending).map_err(|error| error.to_string())
    };
    assert_eq!(pending(&tree, &[(0, true), (1, true), (2, true)]), Ok(vec![2, 3]));
    assert_eq!(pending(&tree, &[(0, true), (1, true), (2, true), (2, false)]), Ok(vec![1, 2, 3]), "undone since");
    assert_eq!(pending(&tree, &[(0, true), (7, true), (1, true), (2, true), (3, true), (4, true)]), Ok(vec![]));
    let message = pending(&tree, &[(0, true), (1, true), (3, true)]).expect_err("version 2 came late");
    assert!(message.contains("older than version 3, which is applied already: 2_b.sql"), "{message}");
    tree.options.out_of_order = Some(true);
    assert_eq!(pending(&tree, &[(0, true), (1, true), (3, true)]), Ok(vec![1, 3]));
    assert!(pending(&tree, &[(0, true)]).is_ok());
    assert!(Goose.select(&tree, Some(&[vec![Some("x".to_owned()), None]])).is_err());
    let mixed = read(&[files[0], ("2_code.go", "package m")]).expect("readable");
    assert!(
        pending(&mixed, &[(0, true), (1, true)]).expect_err("code").contains("2_code.go is pending and is Go code")
    );
    assert_eq!(pending(&mixed, &[(0, true), (2, true), (1, true)]), Ok(vec![]));
}

#[test]
fn each_file_is_one_transaction_with_its_row_unless_it_opts_out() {
    let usual = grouping(PLAIN).expect("groups");
    assert_eq!(usual.transaction, TransactionMode::PerMigration);
    let history = usual.history.expect("a row");
    assert!(history.in_transaction);
    assert_eq!(history.applied, ["INSERT INTO goose_db_version (version_id, is_applied) VALUES (7, true)"]);
    let bare = grouping("-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM t;\nSELECT 1;\n").expect("groups");
    assert_eq!(bare.transaction, TransactionMode::None);
    assert!(!bare.history.expect("a row").in_transaction);
    let own = grouping("-- +goose Up\nBEGIN;\nSELECT 1;\nCOMMIT;\n").expect("groups");
    assert_eq!(own.transaction, TransactionMode::Explicit);
    assert!(!own.history.expect("a row").in_transaction);
    assert!(own.notes[0].starts_with("7_a.sql:2: the script commits by itself"), "{:?}", own.notes);
}

#[test]
fn the_table_is_the_environments_or_the_users() {
    let folder = folder(&[
        (".git/HEAD", ""),
        (".env", "DATABASE_URL=x\nexport GOOSE_TABLE=\"meta.goose\"\n"),
        ("db/1_a.sql", PLAIN),
    ]);
    let paths = [folder.path().join("db")];
    let mut options = LayoutOptions::default();
    let table = |options: &LayoutOptions| {
        let tree = Goose.read(&Request { paths: &paths, root: folder.path(), options }).expect("readable");
        assert!(tree.create_history[1].starts_with(&format!("CREATE TABLE {} (", tree.history_table())));
        tree.history_table().to_owned()
    };
    assert_eq!(table(&options), "meta.goose");
    options.history_table = Some("mine".to_owned());
    assert_eq!(table(&options), "mine");
}
