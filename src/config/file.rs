//! The keys of `seatrial.toml`: the names of the options, with underscores. What is written here is also what
//! `schema/seatrial.schema.json` says.

use super::copies::CopyKeys;
use super::production::ProductionKeys;
use super::sqlite::SqliteKeys;
use super::value::{
    Amount, AnswerWord, AnyText, DatabaseName, DurationText, EngineWord, FidelityWord, FilePath, FindingId, FormatText,
    LayoutWord, Level, PassWord, Ratio, SeverityWord, SizeText, Text, TransactionWord,
};
use super::{Over, over};
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// A default as it stands in the file.
macro_rules! as_written {
    ($default:expr) => {
        $default
    };
    ($default:expr, $shown:expr) => {
        $shown
    };
}

/// Thresholds, as they are used and as they are written.
macro_rules! thresholds {
    ($($(#[doc = $doc:literal])* $key:ident: $written:ty => $type:ty = $default:expr $(, written $shown:expr)?;)*) => {
        /// From which size on something is worth a finding.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Thresholds {
            $($(#[doc = $doc])* pub $key: $type,)*
        }

        impl Default for Thresholds {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        /// From which size on something is worth a finding.
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct ThresholdKeys {
            $($(#[doc = $doc])* #[schemars(extend("default" = as_written!($default $(, $shown)?)))] pub $key: Option<$written>,)*
        }

        impl Over for ThresholdKeys {
            fn over(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key),)* }
            }
        }

        impl From<ThresholdKeys> for Thresholds {
            fn from(keys: ThresholdKeys) -> Self {
                Self { $($key: keys.$key.map_or($default, Into::into),)* }
            }
        }
    };
}

thresholds! {
    /// Rewrites, scans and index builds of tables with fewer rows are not reported.
    rows: u64 => u64 = 10000;
    /// Nor those of fewer rows that take less than this, with values stored out of line.
    bytes: SizeText => u64 = 104_857_600, written "100MB";
    /// Tables whose locks are reported whatever their size, with their schema unless that is `public`.
    hot_tables: Tables => Vec<String> = Vec::new(), written serde_json::json!([]);
    /// A blocking lock held longer than this is reported, in milliseconds.
    held_ms: Amount => f64 = 1000.0;
    /// From this lock_timeout or statement_timeout on, a statement waits practically for ever, in milliseconds.
    lock_wait_ms: Amount => f64 = 60000.0;
    /// Rows updated or deleted by one statement before it counts as large.
    update_rows: u64 => u64 = 10000;
    /// Existing tables locked against reads and writes in one transaction.
    tables: usize => usize = 5;
    /// Part of its type's values from which on an integer key is near its end.
    key_share: Amount => f64 = 0.8;
    /// Work after, divided by work before, from which on a query counts as slower.
    plan_ratio: Ratio => f64 = 1.5;
    /// And at least so many more blocks.
    plan_blocks: u64 => u64 = 100;
    /// Or so many more blocks a minute, by its weight; from here on slower-same-plan is an error, too.
    plan_blocks_per_minute: Amount => f64 = 1000000.0;
    /// On SQLite instead of blocks: so many more steps of its virtual machine.
    plan_steps: u64 => u64 = 50000;
    /// Or so many more of these a minute.
    plan_steps_per_minute: Amount => f64 = 500000000.0;
    /// A hot query that waits for the migration longer than this is reported, in milliseconds.
    stall_ms: Amount => f64 = 500.0;
    /// How long the transactions last behind which the queue pass lets the migration wait, in milliseconds.
    transaction_ms: Amount => f64 = 5000.0;
    /// Longest one hot query may run, in milliseconds.
    query_ms: u64 => u64 = 30000;
}

/// The file, one `[[database]]` entry, and the second over the first.
macro_rules! keys {
    ($($(#[$meta:meta])* $key:ident: $type:ty,)*) => {
        /// Configuration of Seatrial: what `seatrial check` would otherwise be told on the command line. Paths are
        /// relative to this file.
        #[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(title = "seatrial.toml")]
        pub struct File {
            $($(#[$meta])* pub $key: Option<$type>,)*
            /// Where bases and runs are kept; left out: ~/.cache/seatrial, or /var/cache/seatrial for root.
            pub cache_dir: Option<FilePath>,
            /// Folder for report.json, report.md, report.html and the scripts; with `[[database]]` entries a folder for
            /// each in it.
            pub out: Option<FilePath>,
            /// text, json, markdown, html, sarif, junit, github or gitlab, each with =FILE to write a file; with `[[database]]`
            /// entries their names are put before its extension.
            #[schemars(extend("default" = ["text"]))]
            pub format: Option<Vec<FormatText>>,
            /// Which database of a cluster dump; or, as `[[database]]`, several databases that are rehearsed one after
            /// another.
            pub database: Databases,
        }

        /// One of several databases. What it leaves out comes from the top level; tables are merged key by key.
        #[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Entry {
            /// What it is called: in headings, in names of files, and for `--database`.
            #[schemars(with = "DatabaseName")]
            pub name: Spanned<DatabaseName>,
            /// Which database of a cluster dump.
            pub database: Option<Text>,
            $($(#[$meta])* pub $key: Option<$type>,)*
        }

        impl Entry {
            /// The file as it is for this database alone.
            pub fn over(self, top: &File) -> File {
                let top = top.clone();
                File {
                    $($key: over(self.$key, top.$key),)*
                    cache_dir: top.cache_dir,
                    out: top.out,
                    format: top.format,
                    database: self.database.map_or(Databases::None, Databases::OfCluster),
                }
            }
        }
    };
}

keys! {
    /// A file or a folder of migrations; left out: the one folder of the project in which a migration tool
    /// keeps them.
    migrations: FilePath,
    /// Where real data comes from: a dump, `-` for one on standard input, a stopped data directory, postgres://…,
    /// sqlite:FILE, or `empty`.
    source: Text,
    /// What the source is, where that does not show: "subset" for some of the rows, or masked ones.
    fidelity: FidelityWord,
    /// Files and folders of registered hot queries.
    #[schemars(extend("default" = []))]
    queries: Vec<FilePath>,
    /// Runs a migration tool whose migrations are code, such as "alembic upgrade head", against a copy, with
    /// DATABASE_URL set; only with --run-command.
    command: Text,
    /// Another variable that gets the copy's address.
    command_variable: Text,
    /// The copy's address as the command's driver takes it, with {role}, {database}, {host} and {port}.
    command_url: Text,
    /// How the migration tool lays out its files; left out: detected.
    layout: LayoutWord,
    /// A regular expression over names of migration files, with the groups `version`, `name` and `direction`, where no
    /// layout fits.
    pattern: Text,
    /// The table in which the migration tool keeps what is applied; left out: the layout's own.
    history_table: Text,
    /// How the runner groups statements; left out: as the layout does.
    transaction: TransactionWord,
    /// Migrations older than the last applied one are pending too; left out: as the layout does.
    out_of_order: bool,
    /// Values of placeholders in migrations, by name.
    placeholders: Placeholders,
    /// Role migrations run as; left out: the owner of most tables. Never a superuser.
    role: Text,
    /// Search path for migrations and hot queries.
    schema: Text,
    /// Extensions that only a superuser may create, and that migrations may create all the same.
    #[schemars(extend("default" = []))]
    extensions: Vec<Text>,
    /// Folder of server binaries; empty means none; left out: the nearest that is not older than the source.
    postgres_bin: AnyText,
    /// measure, prove, attribute, traffic, queue, retry, or all; left out: measure and prove, and attribute when a plan
    /// changed.
    passes: Vec<PassWord>,
    /// Also run the hot queries that write, on copies of their own, and report what each pays before and after.
    #[schemars(extend("default" = false))]
    measure_writes: bool,
    /// Also time the hot queries that changed, before and after in turns, on two copies at once; never a verdict.
    #[schemars(extend("default" = false))]
    measure_time: bool,
    /// Ask a source that is a running server how it plans the hot queries: plain EXPLAIN, in a read-only transaction.
    #[schemars(extend("default" = true))]
    calibrate: bool,
    /// Budget of time, such as "90s", "20m" or "1h"; each database has its own.
    max_time: DurationText,
    /// Budget of disk, such as "500MB" or "20GB".
    max_disk: SizeText,
    /// Reuse a base made from a URL for this long.
    #[schemars(extend("default" = "24h"))]
    max_age: DurationText,
    /// Disk that bases and dumps taken from URLs may take in the cache; what nobody uses goes, longest unused first.
    #[schemars(extend("default" = "50GB"))]
    max_cache: SizeText,
    /// Exit 1 from this level on.
    #[schemars(extend("default" = "error"))]
    fail_on: Level,
    /// Answers that may not stay unknown.
    #[schemars(extend("default" = []))]
    require: Vec<AnswerWord>,
    /// Nothing pending is exit 3.
    #[schemars(extend("default" = false))]
    require_pending: bool,
    /// From which size on something is worth a finding.
    thresholds: ThresholdKeys,
    /// What findings count as in this project, by their ids: error, warning or info; off for what is not to be heard of.
    severity: Severities,
    /// Where copies are made, if not on servers of the run's own.
    copies: CopyKeys,
    /// postgresql or sqlite; left out: what the source is.
    engine: EngineWord,
    /// What is known of applications on SQLite.
    sqlite: SqliteKeys,
    /// What is known of production; docs/production.sql prints it.
    production: ProductionKeys,
}

/// `database = "…"`, or `[[database]]` entries.
#[derive(Debug, Clone, Default)]
pub enum Databases {
    /// Neither.
    #[default]
    None,
    /// One database of a cluster dump.
    OfCluster(Text),
    /// Several databases.
    Entries(Vec<Entry>),
}

impl<'de> Deserialize<'de> for Databases {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Databases;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string, or [[database]] entries")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Databases, E> {
                Text::deserialize(serde::de::value::StrDeserializer::new(text)).map(Databases::OfCluster)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Databases, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    all.push(entry);
                }
                if all.is_empty() {
                    return Err(A::Error::custom(
                        "no databases: write a [[database]] entry for each, or leave the key out",
                    ));
                }
                Ok(Databases::Entries(all))
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Databases {
    fn schema_name() -> Cow<'static, str> {
        "Databases".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, entry) = (generator.subschema_for::<Text>(), generator.subschema_for::<Entry>());
        json_schema!({ "anyOf": [name, { "type": "array", "minItems": 1, "items": entry }] })
    }
}

/// Names of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tables(pub Vec<Text>);

impl From<Tables> for Vec<String> {
    fn from(tables: Tables) -> Self {
        tables.0.into_iter().map(|table| table.0).collect()
    }
}

/// What findings count as, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Severities(pub BTreeMap<FindingId, SeverityWord>);

impl Over for Severities {
    fn over(self, mut below: Self) -> Self {
        below.0.extend(self.0);
        below
    }
}

/// Texts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Placeholders(pub BTreeMap<String, String>);

impl Over for Placeholders {
    fn over(self, mut below: Self) -> Self {
        below.0.extend(self.0);
        below
    }
}

/// The JSON Schema of `seatrial.toml`, for editors.
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema.to_value()
}

/// TOML has no null: a key is there or it is not.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|each| each != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|each| !each.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|each| each.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}
