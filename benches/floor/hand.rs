//! The same work by hand: psql and pg_dump on a server that is running.

use super::scenes::{Query, Scene};
use crate::support::place::{Place, ROLE};
use seatrial::engine::postgres::server::SUPERUSER;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PLAN: &str = "FORMAT JSON, VERBOSE, SETTINGS";
const MEASURE: &str = "ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON, VERBOSE, SETTINGS";

/// A server with the scene's files; the database is there once it is restored.
pub struct Hand {
    place: Place,
    folder: tempfile::TempDir,
    /// Names of each migration's file, and of its way back.
    files: Vec<(String, String)>,
}

impl Hand {
    pub async fn new(scene: &Scene) -> Self {
        let place = Place::with(&[("max_locks_per_transaction", "512")]).await;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("source.sql", &scene.source);
        write("before.sql", &explains(&scene.queries, &[PLAN, MEASURE, MEASURE, PLAN, MEASURE]));
        // Right after, and once more settled: what nothing was done to is planned and not run.
        write("after.sql", &explains(&scene.queries, &[PLAN, PLAN]));
        let mut files = Vec::new();
        for ((name, up), back) in scene.migrations.iter().zip(&scene.back) {
            write(name, &format!("BEGIN;\n{up}COMMIT;\n"));
            write(&format!("back-{name}"), back);
            files.push((name.clone(), format!("back-{name}")));
        }
        Self { place, folder, files }
    }

    /// What a run without a base pays once.
    pub fn restore(&self) -> Duration {
        self.sql("postgres", SUPERUSER, &format!("CREATE DATABASE source OWNER {ROLE}"));
        let started = Instant::now();
        self.run("psql", ROLE, "source", &["-f", "source.sql"]);
        self.sql("source", SUPERUSER, "ANALYZE");
        started.elapsed()
    }

    /// Copy, look, apply, look again.
    pub fn measure(&self) -> Duration {
        let started = Instant::now();
        self.copy_to("trial");
        self.run("pg_dump", SUPERUSER, "trial", &["--schema-only", "-f", "schema-before"]);
        self.run("psql", ROLE, "trial", &["-f", "before.sql"]);
        self.apply("trial");
        self.run("psql", ROLE, "trial", &["-f", "after.sql"]);
        self.run("pg_dump", SUPERUSER, "trial", &["--schema-only", "-f", "schema-after"]);
        self.drop("trial");
        started.elapsed()
    }

    /// Copy; dump and apply, one after the other; go back, dump and compare, the last one first.
    pub fn prove(&self) -> Duration {
        let started = Instant::now();
        self.copy_to("proof");
        for (at, (up, _)) in self.files.iter().enumerate() {
            self.run("pg_dump", SUPERUSER, "proof", &["-f", &format!("before-{at}")]);
            self.run("psql", ROLE, "proof", &["-f", up]);
        }
        for (at, (_, back)) in self.files.iter().enumerate().rev() {
            self.run("psql", ROLE, "proof", &["-f", back]);
            self.run("pg_dump", SUPERUSER, "proof", &["-f", "after"]);
            // A column that was added and dropped leaves a trace that a dump does not show; some versions of pg_dump end with
            // a word that is another each time. Only the reading counts here.
            let before = format!("before-{at}");
            Command::new("cmp").args(["-s", &before, "after"]).current_dir(self.folder.path()).status().unwrap();
        }
        self.drop("proof");
        started.elapsed()
    }

    /// A copy alone.
    pub fn copy(&self) -> Duration {
        let started = Instant::now();
        self.copy_to("copy");
        let took = started.elapsed();
        self.drop("copy");
        took
    }

    fn copy_to(&self, to: &str) {
        let create = format!("CREATE DATABASE {to} TEMPLATE source OWNER {ROLE}{}", self.place.by_files());
        self.sql("postgres", SUPERUSER, &create);
    }

    fn drop(&self, database: &str) {
        self.sql("postgres", SUPERUSER, &format!("DROP DATABASE {database}"));
    }

    fn apply(&self, database: &str) {
        let files: Vec<&str> = self.files.iter().flat_map(|(up, _)| ["-f", up]).collect();
        self.run("psql", ROLE, database, &files);
    }

    fn sql(&self, database: &str, role: &str, sql: &str) {
        self.run("psql", role, database, &["-c", sql]);
    }

    fn run(&self, program: &str, role: &str, database: &str, arguments: &[&str]) {
        let endpoint = self.place.endpoint();
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args([
            "-h",
            path(&endpoint.socket_dir),
            "-p",
            &endpoint.port.to_string(),
        ]);
        command.args(["-U", role, "-d", database]);
        if program == "psql" {
            command.args(["-qAtX", "-v", "ON_ERROR_STOP=1"]);
        }
        let status = command.args(arguments).stdout(Stdio::null()).status().expect("a client program starts");
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Each query prepared once, then explained: for its value, and where it has one for any, too.
fn explains(queries: &[Query], each: &[&str]) -> String {
    let mut script = String::new();
    for query in queries {
        writeln!(script, "PREPARE q AS {};", query.sql.replace("{}", "$1")).unwrap();
        let modes: &[&str] = if query.value.is_some() { &["custom", "generic"] } else { &["custom"] };
        let execute =
            query.value.as_ref().map_or_else(|| "EXECUTE q".to_owned(), |value| format!("EXECUTE q({value})"));
        for mode in modes {
            writeln!(script, "SET plan_cache_mode = force_{mode}_plan;").unwrap();
            for options in each {
                writeln!(script, "EXPLAIN ({options}) {execute};").unwrap();
            }
        }
        writeln!(script, "DEALLOCATE q;").unwrap();
    }
    script
}
