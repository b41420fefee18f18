//! Names longer than the server keeps: `schema/identifier-truncated`.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::folded;
use crate::observation::Outcome;
use crate::rehearsal::Rehearsal;
use crate::report::v1::EngineName;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&IDENTIFIER_TRUNCATED], find };

const IDENTIFIER_TRUNCATED: Kind = Kind::new(
    "schema/identifier-truncated",
    Severity::Warning,
    Answer::Applies,
    "
        The script spells a name longer than 63 bytes. The server cuts it off and says so in a notice only, so whoever looks
        for the full name finds nothing.
    ",
)
.with(examples!("schema/identifier-truncated"));

/// Bytes of a name that a server keeps (`NAMEDATALEN - 1`).
const KEPT: usize = 63;

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    // SQLite keeps names as they are.
    if rehearsal.engine == EngineName::Sqlite {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for observation in rehearsal.observations.iter().filter(|each| each.outcome == Outcome::Ok) {
        let Some(sql) = rehearsal.sql(observation.statement) else { continue };
        for name in long_names(sql) {
            let kept = &name[..name.floor_char_boundary(KEPT)];
            findings.push(
                Finding::measured(
                    &IDENTIFIER_TRUNCATED,
                    Some(observation.statement),
                    vec![kept.to_owned()],
                    format!("the server keeps {KEPT} bytes of a name: this one became {kept}"),
                    "choose a shorter name: another long one that begins alike would be taken for the same".to_owned(),
                )
                .with(json!({ "written": name, "kept": kept })),
            );
        }
    }
    findings
}

fn long_names(sql: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for token in Lexer::new(sql) {
        let text = &sql[token.span];
        let name = match token.kind {
            TokenKind::Word => folded(text),
            TokenKind::QuotedIdentifier => text.trim_matches('"').replace("\"\"", "\""),
            _ => continue,
        };
        if name.len() > KEPT && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::long_names;

    #[test]
    fn names_are_long_by_their_bytes_and_strings_are_no_names() {
        let long = "a".repeat(64);
        assert_eq!(long_names(&format!("CREATE TABLE {long} (id int)")), std::slice::from_ref(&long));
        assert_eq!(long_names(&format!("CREATE TABLE \"{}\" ()", "ä".repeat(32))), ["ä".repeat(32)]);
        assert!(long_names(&format!("SELECT '{long}', {}", "b".repeat(63))).is_empty());
    }
}
