//! `seatrial.toml` from outside: its schema, several databases, what is known of production, and `seatrial init`. Needs
//! a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use support::repository;

const BLESS: &str = "SEATRIAL_BLESS";

/// Compares a checked-in file with what it should be; writes it when asked to.
fn assert_current(path: &Path, expected: &str) {
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(path, expected).expect("writable");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let advice = format!("run `{BLESS}=1 cargo test --test config` and look at the difference");
    assert!(found == expected, "{} is not what the types in src/config/ read: {advice}", path.display());
}

#[test]
fn the_checked_in_schema_is_that_of_the_types() {
    let schema = serde_json::to_string_pretty(&seatrial::config::json_schema()).expect("a schema is JSON") + "\n";
    assert_current(&repository().join("schema/seatrial.schema.json"), &schema);
}
