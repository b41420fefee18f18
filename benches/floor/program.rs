//! The program on a scene, as it is called in a project.

use super::scenes::Scene;
use crate::support;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Says when it ran, in the one way a statement can tell the report.
const CLOCK: &str = "DO $$ BEGIN RAISE EXCEPTION 'begun at %', extract(epoch FROM clock_timestamp()); END $$;";

/// A project with a cache of its own.
pub struct Program {
    folder: tempfile::TempDir,
}

/// One run of it.
pub struct Run {
    pub whole: Duration,
    /// Peak of its own memory.
    pub peak_kb: u64,
}

impl Program {
    pub fn new(scene: &Scene) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        for name in [".git", "migrations", "clock"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("source.sql", &scene.source);
        write("clock/0001_begun.sql", CLOCK);
        for (name, text) in &scene.migrations {
            write(&format!("migrations/{name}"), text);
        }
        let mut queries = String::new();
        for (n, query) in scene.queries.iter().enumerate() {
            writeln!(queries, "-- name: query-{n}").unwrap();
            if let Some(value) = &query.value {
                writeln!(queries, "-- params usual: v = {value}").unwrap();
            }
            writeln!(queries, "{};\n", query.sql.replace("{}", ":v")).unwrap();
        }
        write("queries.sql", &queries);
        Self { folder }
    }

    /// What is pending, rehearsed.
    pub fn check(&self, arguments: &[&str]) -> Run {
        let (run, report) = self.run("migrations", arguments);
        assert_eq!(report["complete"], true, "{}", report["passes"]);
        run
    }

    /// From the program's start to the first statement of a migration that says when it ran.
    pub fn until_first_statement(&self) -> Duration {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (_, report) = self.run("clock", &["--passes", "measure", "--show-values"]);
        let said = report["migrations"][0]["statements"][0]["error"].as_str().unwrap();
        let said = said.split("begun at ").nth(1).unwrap_or_else(|| panic!("{said}"));
        let number: String = said.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Duration::from_secs_f64(number.parse().unwrap()).checked_sub(begun).expect("after its start")
    }

    fn run(&self, pending: &str, arguments: &[&str]) -> (Run, serde_json::Value) {
        let mut command = support::seatrial(self.folder.path(), &self.folder.path().join("cache"));
        command.args(["check", pending, "--source", "source.sql", "--layout", "sqlx", "--queries", "queries.sql"]);
        command.args(["--format", "json=report.json"]).args(arguments);
        let started = Instant::now();
        let errors = std::fs::File::create(self.folder.path().join("errors")).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak_kb = 0;
        let code = loop {
            // Only rises: the last look before the end is the peak, but for what came after it.
            peak_kb = peak(&status).map_or(peak_kb, |kb| kb.max(peak_kb));
            if let Some(code) = child.try_wait().unwrap() {
                break code;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let whole = started.elapsed();
        let errors = std::fs::read_to_string(self.folder.path().join("errors")).unwrap();
        assert!(matches!(code.code(), Some(0 | 1)), "{code}: {errors}");
        let report = std::fs::read(self.folder.path().join("report.json")).unwrap();
        (Run { whole, peak_kb }, serde_json::from_slice(&report).unwrap())
    }
}

fn peak(status: &std::path::Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
