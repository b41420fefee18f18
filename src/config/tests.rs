use super::*;
use crate::migration::TransactionMode;

fn project(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
    folder
}

fn resolved(text: &str, args: CheckArgs) -> Result<Vec<Settings>, ConfigError> {
    Settings::resolve(&args, project(text).path())
}

/// What the only database is rehearsed with.
fn one(text: &str) -> Settings {
    let [settings] = resolved(text, CheckArgs::default()).unwrap().try_into().unwrap();
    settings
}

#[test]
fn durations_and_sizes_have_units_and_refuse_the_rest() {
    assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
    assert!(parse_duration("soon").is_err());
    assert!(parse_duration("18446744073709551615d").is_err());
    assert_eq!(parse_size("20GB"), Ok(20 << 30));
    assert!(parse_size("20 parsecs").is_err());
}

#[test]
fn what_is_said_of_a_value_moves_no_cursor() {
    let args = CheckArgs { engine: Some("my\u{1b}[2J\nsql".to_owned()), ..CheckArgs::default() };
    let message = resolved("", args).unwrap_err().to_string();
    assert!(message.starts_with("--engine: `my\\x1b[2J⏎sql` is not an engine"), "{message}");
}

#[test]
fn the_command_line_beats_the_file_and_paths_are_relative_to_it() {
    let text = "source = \"data/x.sql\"\nrole = \"app\"\nformat = [\"json=r.json\"]\npostgres_bin = \"pg/bin\"\n";
    let folder = project(text);
    let args = CheckArgs { role: Some("other".to_owned()), ..CheckArgs::default() };
    let [settings] = Settings::resolve(&args, folder.path()).unwrap().try_into().unwrap();
    assert_eq!(settings.role.as_deref(), Some("other"));
    assert!(settings.source.unwrap().ends_with("/data/x.sql"));
    assert!(settings.format[0].starts_with("json=/") && settings.format[0].ends_with("/r.json"));
    assert!(settings.postgres_bin.unwrap().ends_with("/pg/bin"));
    assert_eq!(settings.fail_on, FailOn::Error);
}

#[test]
fn servers_can_be_switched_off_in_the_file() {
    assert_eq!(one("postgres_bin = \"\"\n").postgres_bin.as_deref(), Some(""));
}

#[test]
fn what_the_layout_is_told_is_kept() {
    let settings = one("pattern = \"p\"\nhistory_table = \"h\"\ntransaction = \"all_pending\"\nout_of_order = true\n\
                        [placeholders]\nschema = \"shop\"\n");
    let expected = LayoutOptions {
        pattern: Some("p".to_owned()),
        history_table: Some("h".to_owned()),
        placeholders: [("schema".to_owned(), "shop".to_owned())].into(),
        transaction: Some(TransactionMode::AllPending),
        out_of_order: Some(true),
        ..LayoutOptions::default()
    };
    assert_eq!(settings.layout_options, expected);
    assert_eq!(one("").layout_options, LayoutOptions::default());
}

#[test]
fn production_is_read_in_every_spelling() {
    let production = one(
        "[production]\nversion = \"16.4\"\n[production.settings]\nwork_mem = \"64MB\"\njit = true\nrandom_page_cost = 1.1\n\
         geqo_threshold = 14\n[production.role_settings.app]\nlock_timeout = \"5s\"\n[production.sizes]\n\
         database_bytes = 10\n\"shop.orders\" = 20\nshop.lines = 30\n",
    )
    .production;
    assert_eq!(production.major, Some(16));
    let settings: Vec<(&str, &str)> =
        production.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("geqo_threshold", "14"), ("jit", "on"), ("random_page_cost", "1.1"), ("work_mem", "64MB")]);
    assert_eq!(production.role_settings["app"]["lock_timeout"], "5s");
    assert_eq!(production.database_bytes, Some(10));
    assert_eq!(production.rows, [("shop.lines".to_owned(), 30), ("shop.orders".to_owned(), 20)].into());
}

const TWO: &str = "
role = \"app\"
queries = [\"queries\"]
out = \"out\"
format = [\"markdown=report.md\"]
[thresholds]
rows = 5
tables = 2
[placeholders]
a = \"1\"
[[database]]
name = \"shop\"
source = \"shop.sql\"
[[database]]
name = \"ledger\"
source = \"empty\"
database = \"books\"
role = \"clerk\"
queries = []
thresholds.rows = 7
placeholders.b = \"2\"
production.version = \"17\"
";

#[test]
fn a_database_takes_what_it_leaves_out_from_the_top() {
    let [shop, ledger] = resolved(TWO, CheckArgs::default()).unwrap().try_into().unwrap();
    assert_eq!((shop.name.as_deref(), ledger.name.as_deref()), (Some("shop"), Some("ledger")));
    assert_eq!((shop.role.as_deref(), ledger.role.as_deref()), (Some("app"), Some("clerk")));
    assert_eq!((shop.queries.len(), ledger.queries.len()), (1, 0));
    assert_eq!((shop.thresholds.rows, shop.thresholds.tables), (5, 2));
    assert_eq!((ledger.thresholds.rows, ledger.thresholds.tables), (7, 2));
    assert_eq!((shop.layout_options.placeholders.len(), ledger.layout_options.placeholders.len()), (1, 2));
    assert_eq!((shop.production.major, ledger.production.major), (None, Some(17)));
    assert_eq!((shop.database, ledger.database.as_deref()), (None, Some("books")));
    assert!(ledger.out.unwrap().ends_with("out/ledger"));
    assert!(ledger.format[0].ends_with("/report-ledger.md"), "{}", ledger.format[0]);
}

#[test]
fn an_option_for_one_database_needs_to_know_which() {
    let with = |args: CheckArgs| resolved(TWO, args);
    let migrations = || CheckArgs { migrations: vec!["a.sql".into()], ..CheckArgs::default() };
    let message = with(migrations()).unwrap_err().to_string();
    assert_eq!(
        message,
        "MIGRATIONS is for one database, and seatrial.toml has 2: shop, ledger; choose one with --database NAME"
    );
    let source = CheckArgs { source: Some("x.sql".to_owned()), ..CheckArgs::default() };
    assert!(with(source).unwrap_err().to_string().starts_with("--source is for one database"));
    let chosen = CheckArgs { database: Some("ledger".to_owned()), ..migrations() };
    let [ledger] = with(chosen).unwrap().try_into().unwrap();
    assert_eq!(ledger.migrations, [PathBuf::from("a.sql")]);
    // The option chose the entry and says nothing about the dump.
    assert_eq!(ledger.database.as_deref(), Some("books"));
    let another = CheckArgs { database: Some("archive".to_owned()), ..CheckArgs::default() };
    let both = with(another).unwrap();
    assert!(both.len() == 2 && both.iter().all(|each| each.database.as_deref() == Some("archive")));
}

#[test]
fn files_of_several_databases_keep_their_extension() {
    assert_eq!(named_output("json=out/report.json", "shop"), "json=out/report-shop.json");
    assert_eq!(named_output("json=report", "shop"), "json=report-shop");
    assert_eq!(named_output("json", "shop"), "json");
}

#[test]
fn where_servers_and_copies_are_is_known_without_the_rest() {
    let folder = project("cache_dir = \"copies\"\npostgres_bin = \"pg/bin\"\n[[database]]\nname = \"a\"\n");
    let place = Settings::place(&PlaceArgs::default(), folder.path()).unwrap();
    assert_eq!(place.cache_dir, Some(folder.path().join("copies")));
    assert_eq!(place.postgres_bin, Some(folder.path().join("pg/bin").display().to_string()));
    let args = PlaceArgs { cache_dir: Some("mine".into()), postgres_bin: Some(String::new()), config: None };
    assert_eq!(Settings::place(&args, folder.path()).unwrap(), args);
    assert!(Settings::place(&PlaceArgs::default(), project("cache_dri = \"x\"\n").path()).is_err());
}

#[test]
fn what_applies_no_migrations_is_not_asked_to_run_the_command() {
    let text = "source = \"x.sql\"\ncommand = \"alembic upgrade head\"\n";
    assert!(matches!(resolved(text, CheckArgs::default()), Err(ConfigError::Value { option: "command", .. })));
    let entries = format!("{text}[[database]]\nname = \"a\"\ncommand = \"other\"\n");
    for text in [text, &entries] {
        let all = Settings::resolve_without_migrations(&CheckArgs::default(), project(text).path()).unwrap();
        assert!(all.len() == 1 && all[0].command.is_none() && all[0].source.is_some());
    }
}
