//! `queries lint`: each query planned on a copy, with each set and for any values.

use super::ground::Ground;
use super::{Stop, exit, registered, run, settings};
use crate::cli::{LintArgs, TextOrJson};
use crate::command::bases::refuse_sqlite;
use crate::config::Settings;
use crate::engine::postgres::draw::draw;
use crate::engine::postgres::explain::{CaptureOptions, plan_only};
use crate::engine::postgres::identify::{Identified, identify};
use crate::progress::Progress;
use crate::snapshot::plan::{Captured, PlanCapture, PlanMode};
use crate::workload::HotQuery;
use crate::workload::import::lexical_identity;
use crate::workload::source::Loaded;
use anyhow::anyhow;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// `could not determine data type of parameter $1`.
const UNKNOWN_TYPE: &str = "42P18";

/// What is said of one place.
struct Remark {
    /// The query's name; empty for what is no query.
    query: String,
    place: String,
    is_error: bool,
    text: String,
}

/// Plans everything that is registered; exit 1 where something is wrong.
pub(super) fn lint(args: &LintArgs) -> Result<u8, Stop> {
    let settings = settings(&args.registered, &args.ground)?;
    refuse_sqlite(
        &settings,
        "queries lint",
        "`seatrial check` plans the hot queries on a copy of it, and says which of them it refuses",
    )?;
    let source = settings.source.clone().ok_or_else(|| {
        Stop::usage(anyhow!("--source is missing: queries are planned on a copy of it; `empty` has no tables"))
    })?;
    let mut loaded = registered(&settings)?;
    run(async {
        let remarks = remarks(&settings, &source, &mut loaded, Progress::new(args.ground.quiet)).await?;
        let errors = remarks.iter().filter(|remark| remark.is_error).count();
        super::super::print(&match args.format {
            TextOrJson::Text => text(&remarks, loaded.queries.len()),
            TextOrJson::Json => json(&remarks, loaded.queries.len()),
        })?;
        Ok(if errors > 0 { exit::FINDINGS } else { exit::CLEAN })
    })
}

async fn remarks(
    settings: &Settings,
    source: &str,
    loaded: &mut Loaded,
    progress: Progress,
) -> Result<Vec<Remark>, Stop> {
    let unreadable = |is_error| {
        move |each: &crate::workload::source::WorkloadError| {
            let text = each.to_string();
            Remark { query: String::new(), place: String::new(), is_error, text }
        }
    };
    let mut remarks: Vec<Remark> = loaded.refused.iter().map(unreadable(true)).collect();
    remarks.extend(loaded.passed_over.iter().map(unreadable(false)));
    let queries = &mut loaded.queries;
    let ground = Ground::make(settings, source, &queries.iter().collect::<Vec<_>>(), progress).await?;
    let options = CaptureOptions::default();
    let mut superuser = ground.copy.superuser("lint").await.map_err(Stop::environment)?;
    let roles: BTreeSet<Option<String>> = queries.iter().map(|query| query.role.clone()).collect();
    for role in roles {
        let name = role.as_deref().unwrap_or(&ground.copy.target.role);
        let mut session = ground.copy.target.session_as(name, "lint").await.map_err(Stop::environment)?;
        let mine = queries.iter_mut().filter(|query| query.role == role);
        let undrawn = draw(&mut superuser, &mut session, mine, &options).await.map_err(Stop::environment)?;
        let mine: Vec<&HotQuery> = queries.iter().filter(|query| query.role == role).collect();
        for query in &mine {
            let captures = plan_only(&mut session, [*query], &options).await;
            remarks.extend(of_plans(query, &captures));
            if let Some(each) = undrawn.iter().find(|each| each.query == query.name) {
                let text = format!(
                    "has no values, and none can be drawn, so that its generic plan alone is judged: {}",
                    each.reason
                );
                remarks.push(remark(query, false, text));
            }
        }
        remarks.extend(duplicates(&mine, &identify(&mut session, mine.iter().copied()).await));
        session.close().await;
    }
    superuser.close().await;
    ground.remove().await?;
    Ok(remarks)
}

fn remark(query: &HotQuery, is_error: bool, text: String) -> Remark {
    Remark { query: query.name.clone(), place: query.place(), is_error, text }
}

/// What its plans show: each refusal once, with the sets it is about.
fn of_plans(query: &HotQuery, captures: &[PlanCapture]) -> Vec<Remark> {
    let mut refusals: Vec<(String, Vec<String>)> = Vec::new();
    for capture in captures {
        let Captured::Failed { sqlstate, message } = &capture.captured else { continue };
        let hint = if sqlstate == UNKNOWN_TYPE { "; say it in the header, as in `-- types: id = bigint`" } else { "" };
        let state = if sqlstate.is_empty() { String::new() } else { format!(" (SQLSTATE {sqlstate})") };
        let refusal = format!("{message}{state}{hint}");
        let set = match capture.key.mode {
            PlanMode::Generic => String::new(),
            PlanMode::Custom => capture.key.parameter_set.clone(),
        };
        match refusals.iter_mut().find(|(known, _)| *known == refusal) {
            Some((_, sets)) => sets.push(set),
            None => refusals.push((refusal, vec![set])),
        }
    }
    let mut remarks: Vec<Remark> = refusals
        .into_iter()
        .map(|(refusal, sets)| {
            // The generic plan is made with the values of the first set.
            let named: Vec<&str> = sets.iter().map(String::as_str).filter(|set| !set.is_empty()).collect();
            let everywhere = sets.len() == captures.len() || named.is_empty();
            let which = if everywhere { String::new() } else { format!(" with {}", named.join(", ")) };
            remark(query, true, format!("does not plan{which}: {refusal}"))
        })
        .collect();
    let plans = captures.iter().filter_map(|capture| capture.captured.plan());
    if plans.flat_map(|plan| plan.nodes()).any(|node| node.node_type == "ModifyTable") {
        let text = "writes: it is planned and not run, unless `check` is given --measure-writes".to_owned();
        remarks.push(remark(query, false, text));
    }
    remarks
}

fn duplicates(queries: &[&HotQuery], identified: &[Identified]) -> Vec<Remark> {
    let mut first: BTreeMap<String, &HotQuery> = BTreeMap::new();
    let mut remarks = Vec::new();
    for (query, identified) in queries.iter().zip(identified) {
        let Identified::Planned(identity) = identified else { continue };
        let key = identity.clone().unwrap_or_else(|| lexical_identity(&query.sql));
        match first.get(&key) {
            Some(known) => {
                remarks.push(remark(query, false, format!("is the same query as {} ({})", known.name, known.place())));
            }
            None => drop(first.insert(key, query)),
        }
    }
    remarks
}

fn text(remarks: &[Remark], queries: usize) -> String {
    let mut text = String::new();
    for each in remarks {
        let level = if each.is_error { "error" } else { "note" };
        let whose = if each.query.is_empty() { String::new() } else { format!("{}: {} ", each.place, each.query) };
        text.push_str(&format!("{level}: {whose}{}\n", each.text));
    }
    let errors = remarks.iter().filter(|remark| remark.is_error).count();
    let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    text.push_str(&format!(
        "{}, {}, {}\n",
        count(queries, "query", "queries"),
        count(errors, "error", "errors"),
        count(remarks.len() - errors, "note", "notes")
    ));
    text
}

fn json(remarks: &[Remark], queries: usize) -> String {
    let remark = |each: &Remark| {
        let name = (!each.query.is_empty()).then_some(&each.query);
        let place = (!each.place.is_empty()).then_some(&each.place);
        json!({"level": if each.is_error { "error" } else { "note" }, "query": name, "place": place, "message": each.text})
    };
    format!("{:#}\n", json!({"queries": queries, "remarks": remarks.iter().map(remark).collect::<Vec<_>>()}))
}
