//! The way back: what running it showed, comparison by comparison, and the scripts, each to be copied.

use super::mark::Mark;
use super::text::{Block, prose};
use super::{budget, fitting, more, view, written};
use crate::report::each::{self, Single};
use crate::report::v1::{Comparison, Report, Scripts};
use askama::Template;

#[derive(Template)]
#[template(path = "rollback.html")]
struct Rollback {
    mark: Mark,
    verdict: String,
    proofs: Vec<Proof>,
    sentences: Vec<String>,
    lists: Vec<(&'static str, Vec<String>, Option<String>)>,
    scripts: Vec<String>,
    singles: Vec<String>,
    more_singles: Option<String>,
}

/// One comparison.
struct Proof {
    name: &'static str,
    mark: Mark,
    word: &'static str,
}

#[derive(Template)]
#[template(path = "script.html")]
struct Script<'r> {
    name: &'r str,
    purpose: &'static str,
    block: Block,
}

#[derive(Template)]
#[template(path = "single.html")]
struct OfOne<'r> {
    version: &'r str,
    folder: String,
    mark: Mark,
    verdict: String,
    lines: Vec<String>,
    scripts: Vec<String>,
}

/// The section; it says so where nothing was attempted.
pub(super) fn section(report: &Report) -> String {
    let rollback = &report.rollback;
    let proof = &rollback.proof;
    let proofs = [
        ("schema", proof.schema),
        ("catalog", proof.catalog),
        ("rows", proof.rows),
        ("plans", proof.plans),
        ("migrated again", proof.reapplied),
    ];
    let mut sentences = vec![capital(&view::proof_sentence(rollback))];
    sentences.extend(view::backup_sentence(report));
    let losses = view::loss_sentences(report);
    let sentences_of_each = each::sentences(report);
    let downs = each::downs(report);
    let lists = [
        ("Losses", losses),
        ("Conditions", rollback.conditions.clone()),
        ("Not as before", rollback.differences.clone()),
        ("Migrations that do not come back by themselves", sentences_of_each),
        ("Down scripts people wrote", downs),
    ];
    let lists = lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(heading, items)| {
        let left = items.len().saturating_sub(budget::SENTENCES);
        let shown = items.iter().take(budget::SENTENCES).map(|item| prose(item)).collect();
        (heading, shown, more(left, "line"))
    });
    let singles = each::singles(report);
    let was_run: Vec<&Single<'_>> = singles.iter().filter(|single| single.was_run()).collect();
    let (of_each, left) = fitting(was_run.into_iter(), budget::SCRIPTS, |single| written(&of_one(single)));
    written(&Rollback {
        mark: Mark::from(view::Tone::from(rollback.verdict)),
        verdict: view::words(rollback.verdict.name()),
        proofs: proofs.into_iter().map(|(name, comparison)| proved(name, comparison)).collect(),
        sentences: sentences.iter().map(|sentence| prose(sentence)).collect(),
        lists: lists.collect(),
        scripts: scripts(&rollback.scripts),
        singles: of_each,
        more_singles: more(left, "migration"),
    })
}

/// With a capital letter, as a sentence begins.
fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn proved(name: &'static str, comparison: Comparison) -> Proof {
    use view::Tone;
    let (tone, word) = match comparison {
        Comparison::Equal => (Tone::Good, "equal"),
        Comparison::Differs => (Tone::Bad, "differs"),
        Comparison::NotRun => (Tone::Unknown, "not compared"),
    };
    Proof { name, mark: Mark::from(tone), word }
}

fn scripts(scripts: &Scripts) -> Vec<String> {
    let purpose = |name: &str| match name {
        "prepare.sql" => "before the migration: saves what it destroys",
        "rollback.sql" => "undoes the migration",
        _ => "when nobody will roll back any more: removes what was saved",
    };
    let script = |(name, text)| written(&Script { name, purpose: purpose(name), block: Block::of(text) });
    scripts.files().map(script).collect()
}

fn of_one<'r>(single: &Single<'r>) -> OfOne<'r> {
    let rollback = single.rollback;
    let mut lines: Vec<String> = rollback.differences.iter().map(|text| format!("not as before: {text}")).collect();
    lines.extend(rollback.conditions.iter().map(|text| format!("works while {text}")));
    OfOne {
        version: single.version,
        folder: single.folder.clone(),
        mark: Mark::from(view::Tone::from(rollback.verdict)),
        verdict: view::words(rollback.verdict.name()),
        lines: lines.iter().take(20).map(|line| prose(line)).collect(),
        scripts: scripts(&rollback.scripts),
    }
}
