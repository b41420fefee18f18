//! `seatrial.toml`: what is wrong is told with file, line and column, whatever stands there.

use crate::corpus;
use crate::run::fuzz;
use crate::text::Texts;
use seatrial::cli::CheckArgs;
use seatrial::config::{ConfigError, FILE_NAME, Settings};
use seatrial::report::visible::is_unprintable;

const TOML: &[&str] = &[
    "[thresholds]\n",
    "[production]\n",
    "[production.settings]\n",
    "[[database]]\n",
    "name = \"a\"\n",
    "name = \"A\"\n",
    "[copies]\n",
    "[sqlite]\n",
    "[severity]\n",
    "[placeholders]\n",
    "source = \"empty\"\n",
    "source = \"postgres://u:hush@h/d?password=hush\"\n",
    "password = \"hush\"\n",
    "queries = [\"q\"]\n",
    "queries = \"q\"\n",
    "migrations = \"m\"\n",
    "layout = \"sqlx\"\n",
    "engine = \"sqlite\"\n",
    "role = \"\"\n",
    "schema = \"a, b\"\n",
    "passes = [\"measure\"]\n",
    "max_time = \"20m\"\n",
    "max_disk = \"1e9\"\n",
    "max_age = 5\n",
    "fail_on = \"warning\"\n",
    "pattern = \"(?<version>\\\\d+)\"\n",
    "pattern = '((((('\n",
    "format = [\"json=x\", \"text\"]\n",
    "rows = 18446744073709551616\n",
    "rows = -1\n",
    "work_mem = \"64MB\"\n",
    "jit = true\n",
    "\"lock/table-rewrite\" = \"warning\"\n",
    "'no/such' = 'error'\n",
    "x = { y = { z = [1, 2, { a = 1 }] } }\n",
    "a.b.c.d = 1\n",
    "'''",
    "\"\"\"",
    "'",
    "\"",
    "#",
    "=",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "\\u00e9",
    "\\ud800",
    "\\x",
    "1979-05-27T07:32:00Z",
    "nan",
    "inf",
    "0x_1",
    "1_000",
    "true",
    "é",
    "日本",
    "\u{feff}",
    "\u{0}",
    "\u{7f}",
    "\u{202e}",
    "\r",
    "\r\n",
    "\n",
    "\t",
    " ",
    "\u{f8ff}",
];

/// A character for private use stands for a byte that is no text.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for (index, part) in text.split('\u{f8ff}').enumerate() {
        if index > 0 {
            bytes.push(0xff);
        }
        bytes.extend(part.as_bytes());
    }
    bytes
}

#[test]
fn config() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    let path = folder.path().join(FILE_NAME);
    let hold = |text: &str| {
        std::fs::write(&path, bytes(text)).unwrap();
        let error = match Settings::resolve(&CheckArgs::default(), folder.path()) {
            Ok(all) => {
                assert!(!all.is_empty());
                return;
            }
            Err(error) => error,
        };
        let said = error.to_string();
        let lines = text.split('\n').count();
        match error {
            ConfigError::Place { file, line, column, message, excerpt } => {
                assert_eq!(file, FILE_NAME);
                assert_eq!(said.chars().find(|each| *each != '\n' && is_unprintable(*each)), None, "{said:?}");
                assert!((1..=lines).contains(&line) && column >= 1 && !message.is_empty(), "{said}");
                assert!(said.starts_with(&format!("{FILE_NAME}:{line}:{column}: ")), "{said}");
                let shown: Vec<&str> = excerpt.lines().collect();
                assert!(shown.len() == 2 && shown[1].ends_with('^') && shown[0].chars().count() < 130, "{said}");
            }
            ConfigError::Read(_) => assert!(said.contains(FILE_NAME), "{said}"),
            ConfigError::Value { .. } | ConfigError::WhichDatabase { .. } => assert!(!said.is_empty()),
        }
    };
    let examples: Vec<String> = corpus::texts(&["docs"], ".md", 200_000)
        .iter()
        .flat_map(|page| {
            page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .chain(corpus::texts(&["tests/scenarios", "tests/fixtures"], "seatrial.toml", 10_000))
        .collect();
    let texts = Texts::new(&examples, 900, 3, &[TOML]);
    fuzz("config", 20, |random| texts.make(random), hold);
}
