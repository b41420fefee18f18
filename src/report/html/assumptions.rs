//! What the report rests on, and how to come to it again.

use super::text::{Block, prose};
use super::{RenderOptions, budget, more, view, written};
use crate::report::v1::Report;
use crate::report::view::paged::{running, shell_word};
use askama::Template;

#[derive(Template)]
#[template(path = "assumptions.html")]
struct Assumptions {
    facts: Vec<(&'static str, Vec<String>)>,
    left_out: Vec<String>,
    more_left_out: Option<String>,
    commands: Vec<(&'static str, Block)>,
    tool: String,
}

/// The section.
pub(super) fn section(report: &Report, options: &RenderOptions) -> String {
    let mut facts: Vec<(&'static str, Vec<String>)> = Vec::new();
    for (name, text) in view::assumptions(report) {
        match facts.last_mut() {
            Some((_, lines)) if name.is_empty() => lines.push(prose(&text)),
            _ => facts.push((name, vec![prose(&text)])),
        }
    }
    let warnings = &report.source.restore_warnings;
    written(&Assumptions {
        facts,
        left_out: warnings.iter().take(budget::SENTENCES).map(|warning| prose(warning)).collect(),
        more_left_out: more(warnings.len().saturating_sub(budget::SENTENCES), "warning"),
        commands: commands(report, options.out_dir.as_deref())
            .into_iter()
            .map(|(what, text)| (what, Block::of(&text)))
            .collect(),
        tool: format!("{} {}, {}", report.tool.name, report.tool.version, report.started_at),
    })
}

/// Commands with what the report knows; what it does not know stands in them as a word in capitals.
fn commands(report: &Report, out_dir: Option<&str>) -> Vec<(&'static str, String)> {
    let mut check = "seatrial check MIGRATIONS --source SOURCE".to_owned();
    if !report.queries.is_empty() {
        check.push_str(" --queries QUERIES");
    }
    if let Some(migration) = report.migrations.first() {
        check.push_str(&format!(" --layout {}", migration.layout.name()));
    }
    if !report.engine.role.is_empty() {
        check.push_str(&format!(" --role {}", shell_word(&report.engine.role)));
    }
    let ran: Vec<&str> = report.passes.iter().filter(|pass| pass.ran).map(|pass| pass.name.name()).collect();
    if !ran.is_empty() {
        check.push_str(&format!(" --passes {}", ran.join(",")));
    }
    let folder = out_dir.unwrap_or("report").trim_end_matches('/');
    check.push_str(&format!(" --out {}\n", shell_word(folder)));
    let mut commands = vec![
        (
            "Rehearse once more. SOURCE is the dump or server the data came from, MIGRATIONS and QUERIES what was given or seatrial.toml names",
            check,
        ),
        (
            "Render the saved report, without a database",
            format!("seatrial report {} --format html=report.html\n", shell_word(&format!("{folder}/report.json"))),
        ),
    ];
    let run = |script: &str| format!("{}\n", running(report.engine.name, script, out_dir));
    let purposes = [
        ("prepare.sql", "Save what the migration destroys, before it"),
        ("rollback.sql", "Roll back"),
        ("cleanup.sql", "Remove what was saved, when nobody will roll back any more"),
    ];
    for (name, _) in report.rollback.scripts.files() {
        let purpose = purposes.iter().find(|(known, _)| *known == name).map(|(_, purpose)| *purpose);
        commands.extend(purpose.map(|purpose| (purpose, run(name))));
    }
    commands
}
