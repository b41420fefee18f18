//! `queries list`.

use super::{Stop, exit, registered, settings};
use crate::cli::{GroundArgs, ListArgs, TextOrJson};
use crate::workload::HotQuery;
use crate::workload::import::registry::weight;
use crate::workload::source::Loaded;
use serde_json::json;

/// Prints what is registered. Files with mistakes make the exit code 1: `check` would not take them.
pub(super) fn list(args: &ListArgs) -> Result<u8, Stop> {
    let loaded = registered(&settings(&args.registered, &GroundArgs::default())?)?;
    let text = match args.format {
        TextOrJson::Text => text(&loaded),
        TextOrJson::Json => json(&loaded),
    };
    super::super::print(&text)?;
    Ok(if loaded.refused.is_empty() { exit::CLEAN } else { exit::FINDINGS })
}

fn text(loaded: &Loaded) -> String {
    let sets = |query: &HotQuery| match (query.parameters.len(), query.sets.len()) {
        (0, _) => "-".to_owned(),
        (_, 0) => "drawn".to_owned(),
        (_, sets) => sets.to_string(),
    };
    let titles = ["NAME", "WEIGHT", "OWNER", "PARAMETERS", "SETS", "PLACE"].map(str::to_owned);
    let rows = loaded.queries.iter().map(|query| {
        let parameters = if query.parameters.is_empty() { "-".to_owned() } else { query.parameters.join(", ") };
        let owner = query.owner.clone().unwrap_or_else(|| "-".to_owned());
        [query.name.clone(), weight(query.weight), owner, parameters, sets(query), query.place()]
    });
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            text.push_str(cell);
            if column + 1 < row.len() {
                text.push_str(&" ".repeat(width - cell.chars().count() + 2));
            }
        }
        text.push('\n');
    }
    for each in &loaded.passed_over {
        text.push_str(&format!("left out: {each}\n"));
    }
    for each in &loaded.refused {
        text.push_str(&format!("mistake: {each}\n"));
    }
    text
}

fn json(loaded: &Loaded) -> String {
    let query = |query: &HotQuery| {
        json!({
            "name": query.name, "weight": query.weight, "owner": query.owner, "parameters": query.parameters,
            "types": query.types, "sets": query.sets.iter().map(|set| &set.name).collect::<Vec<_>>(),
            "file": query.file.name, "line": query.file.position(query.offset).line,
        })
    };
    let texts =
        |all: &[crate::workload::source::WorkloadError]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = json!({
        "queries": loaded.queries.iter().map(query).collect::<Vec<_>>(),
        "left_out": texts(&loaded.passed_over),
        "mistakes": texts(&loaded.refused),
    });
    format!("{all:#}\n")
}
