//! Does it run to the end: `apply/*`.

use super::{Answer, Check, Finding, Kind, Severity, count, examples, sqlite};
use crate::config::Thresholds;
use crate::copy::policy::created_extension;
use crate::engine::postgres::violators::Violators;
use crate::rehearsal::{Rehearsal, foreign};
use crate::report::v1::EngineName;
use crate::snapshot::sqlite::catalog::MAIN;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&FAILED, &VIOLATING_ROWS, &NEEDS_PRIVILEGE], find };

const FAILED: Kind = Kind::new(
    "apply/failed",
    Severity::Error,
    Answer::Applies,
    "
        A statement was refused on the copy, so the migration does not run to its end on this data. The message is the
        server's own, without values of user data; SQLSTATE and hint are in the evidence. All other answers then describe the
        state production would be left in.
    ",
)
.with(examples!("apply/failed"));

/// What to do about a refusal of which nobody says more.
const MEND: &str = "mend the statement or the data it meets, then rehearse again";

const VIOLATING_ROWS: Kind = Kind::new(
    "apply/violating-rows",
    Severity::Error,
    Answer::Applies,
    "
        The statement failed because rows are in its way: a NULL, a duplicate, a missing parent, a failed CHECK. On another
        copy, brought to just before that statement, these rows were counted. The query that counts them is in the evidence.
    ",
)
.with(examples!("apply/violating-rows"));

const NEEDS_PRIVILEGE: Kind = Kind::new(
    "apply/needs-privilege",
    Severity::Warning,
    Answer::Applies,
    "
        The server said 42501: the unprivileged role on the copy may not do this. Whether production's role may is not known
        here, so the answer is `unknown`, never `no`. Name a role that holds the right with `--role`; an extension that only
        a superuser may create is named in `extensions` of `seatrial.toml`. On SQLite: the statement attaches another file,
        writes one (`VACUUM INTO`) or loads code, which no copy may.
    ",
)
.with(examples!("apply/needs-privilege"));

/// `5,000 rows in public.orders stand in its way`.
fn in_the_way(violators: &Violators) -> String {
    let what = match (violators.rows, violators.what) {
        (1, "rows") => "row",
        (1, "groups of duplicates") => "group of duplicates",
        (_, what) => what,
    };
    let verb = if violators.rows == 1 { "stands" } else { "stand" };
    format!("{} {what} in {} {verb} in its way", count(violators.rows), violators.relation)
}

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(failure) = &rehearsal.failure else { return Vec::new() };
    // No copy can tell whether it applies: `config/not-measured` says so.
    if foreign::failure(rehearsal).is_some() {
        return Vec::new();
    }
    let error = &failure.error;
    let statement = Some(failure.statement);
    let on_sqlite = rehearsal.engine == EngineName::Sqlite;
    let object = match (&error.schema, &error.table) {
        (None, Some(table)) if on_sqlite => vec![crate::snapshot::catalog::qualify(MAIN, table)],
        (Some(schema), Some(table)) => vec![crate::snapshot::catalog::qualify(schema, table)],
        _ => Vec::new(),
    };
    // What a script raises itself holds whatever its author put in.
    let hint = error.hint.clone().filter(|_| !error.sqlstate.starts_with("P0"));
    let evidence = match error.result_code {
        Some(code) => json!({ "code": code }),
        None => json!({
            "sqlstate": error.sqlstate,
            "detail": rehearsal.redactor.error_detail(error),
            "hint": hint,
        }),
    };
    let sql = rehearsal.sql(failure.statement).unwrap_or_default();
    let message = rehearsal.redactor.error_message(error, sql);
    if error.sqlstate == "42501" && on_sqlite {
        let advice = "a copy reads and writes no other file and loads no code, so what this would do is unknown here: take it \
                      out of the migration, or try it where the migration runs";
        return vec![
            Finding::measured(
                &NEEDS_PRIVILEGE,
                statement,
                object,
                format!("reaches outside the database, which a copy may not: {message}"),
                advice.to_owned(),
            )
            .with(evidence),
        ];
    }
    if error.sqlstate == "42501" {
        let role = &rehearsal.role;
        let advice = match created_extension(sql) {
            Some(extension) => format!(
                "only a superuser may create this extension; where production's runner is one, name it in \
                 seatrial.toml: extensions = [\"{extension}\"]"
            ),
            None => format!(
                "whether production's role may is unknown here; if it may, run with `--role` naming a role that \
                 holds the right, or grant it to `{role}` in the source"
            ),
        };
        return vec![
            Finding::measured(
                &NEEDS_PRIVILEGE,
                statement,
                object,
                format!("the role `{role}` may not do this: {message}"),
                advice,
            )
            .with(evidence),
        ];
    }
    let mut findings = vec![
        Finding::measured(
            &FAILED,
            statement,
            object.clone(),
            match (error.sqlstate.get(..2), needed_by(rehearsal)) {
                // Of values, and of rows against constraints.
                (Some("22" | "23"), _) => format!("fails on this data: {message}"),
                (_, Some(objects)) => format!("fails: {message} ({objects})"),
                _ => format!("fails: {message}"),
            },
            hint.clone().unwrap_or_else(|| sqlite::refused::advice(error).unwrap_or(MEND).to_owned()),
        )
        .with(evidence),
    ];
    if let Some(violators) = &rehearsal.violators {
        findings.push(
            Finding::measured(
                &VIOLATING_ROWS,
                statement,
                vec![violators.relation.clone()],
                in_the_way(violators),
                "mend them in a migration that runs before this one; evidence.query in report.json counts them".into(),
            )
            .with(json!({ "rows": violators.rows, "what": violators.what, "query": violators.query })),
        );
    }
    findings
}

/// The objects that stand in the way, as the server names them: in its `DETAIL`, a line each.
fn needed_by(rehearsal: &Rehearsal) -> Option<String> {
    let error = &rehearsal.failure.as_ref()?.error;
    if !matches!(error.sqlstate.as_str(), "2BP01" | "0A000") {
        return None;
    }
    let detail = rehearsal.redactor.error_detail(error)?;
    Some(detail.lines().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_counted_in_good_english() {
        let told = |rows, what| {
            in_the_way(&Violators { relation: "public.orders".to_owned(), rows, what, query: String::new() })
        };
        assert_eq!(told(1, "rows"), "1 row in public.orders stands in its way");
        assert_eq!(told(5_000, "rows"), "5,000 rows in public.orders stand in its way");
        assert_eq!(told(1, "groups of duplicates"), "1 group of duplicates in public.orders stands in its way");
    }
}
