//! How far the copy is from what the configuration says: of production, and of tables that are there.

use super::Rehearsal;
use crate::config::Production;
use crate::report::human;
use crate::report::v1::SourceKind;
use crate::snapshot::catalog::names_table;

/// Tables with fewer rows on both sides are not compared.
const SMALL: u64 = 1_000;
/// Tables named one by one; of the others only the number is told.
const NAMED: usize = 5;

impl Rehearsal {
    /// Notes where the copy differs much from production: a report on it says less about production then. Sizes are
    /// known once the measured pass has looked.
    pub fn compare_with_production(&mut self, production: &Production) {
        // Nobody takes an empty database for production.
        if self.source.as_ref().is_none_or(|source| source.kind == SourceKind::Empty) {
            return;
        }
        let mut notes = Vec::new();
        if let (Some(major), Some(copy)) = (production.major, major(&self.engine_version))
            && major != copy
        {
            notes.push(format!("production runs PostgreSQL {major}, the copy {copy}: plans and locks may differ"));
        }
        if let (Some(there), Some(here)) =
            (production.database_bytes, self.source.as_ref().and_then(|source| source.bytes))
            && differ(here, there)
        {
            notes.push(format!("the database has {} here, {} in production", human::bytes(here), human::bytes(there)));
        }
        if self.before.is_some() {
            notes.extend(self.tables_that_differ(production));
        }
        if let Some(source) = &mut self.source {
            source.fidelity_notes.extend(notes);
        }
    }

    /// Notes which of the tables the project calls hot are not there: a name misspelled would watch nothing.
    pub fn look_for_hot_tables(&mut self, hot: &[String]) {
        let Some(before) = &self.before else { return };
        let there = |name: &&String| {
            let mut tables = before.catalog.relations.values().map(|relation| relation.qualified.as_str());
            tables.any(|table| names_table(name, table))
        };
        let missing: Vec<&str> = hot.iter().filter(|name| !there(name)).map(String::as_str).collect();
        if let Some(source) = &mut self.source
            && !missing.is_empty()
        {
            source.fidelity_notes.push(format!("thresholds.hot_tables: not in the source: {}", missing.join(", ")));
        }
    }

    fn tables_that_differ(&self, production: &Production) -> Vec<String> {
        let known: Vec<&str> = self
            .before
            .iter()
            .flat_map(|before| before.catalog.relations.values())
            .map(|relation| relation.qualified.as_str())
            .collect();
        let (here, missing): (Vec<_>, Vec<_>) =
            production.rows.iter().partition(|(table, _)| known.contains(&table.as_str()));
        let mut differing: Vec<(&str, u64, u64)> = here
            .into_iter()
            .map(|(table, there)| (table.as_str(), self.rows_of(table), *there))
            .filter(|(_, here, there)| (*here).max(*there) >= SMALL && differ(*here, *there))
            .collect();
        // The furthest off first.
        let distance = |(_, here, there): &(&str, u64, u64)| (*here).max(*there) / (*here).min(*there).max(1);
        differing.sort_by_key(|each| std::cmp::Reverse(distance(each)));
        let mut notes: Vec<String> = differing
            .iter()
            .take(NAMED)
            .map(|(table, here, there)| {
                format!("{table} has {} here, {} in production", rows(*here), human::count(*there))
            })
            .collect();
        if differing.len() > NAMED {
            let others = human::more(differing.len() - NAMED, "table");
            notes.push(format!("{others} with less than half or more than double of production's rows"));
        }
        let missing: Vec<&str> =
            missing.into_iter().filter(|(_, rows)| **rows >= SMALL).map(|(table, _)| table.as_str()).collect();
        if !missing.is_empty() {
            let named = missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = if missing.len() > NAMED { ", …" } else { "" };
            notes.push(format!("not in the source, but in production: {named}{more}"));
        }
        notes
    }
}

fn rows(number: u64) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{} rows", human::count(number)) }
}

/// Less than half, or more than double.
fn differ(here: u64, there: u64) -> bool {
    here.saturating_mul(2) < there || there.saturating_mul(2) < here
}

fn major(version: &str) -> Option<u32> {
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_less_than_half_and_more_than_double_differ() {
        for (here, there, expected) in
            [(10, 10, false), (5, 10, false), (20, 10, false), (4, 10, true), (21, 10, true), (0, u64::MAX, true)]
        {
            assert_eq!(differ(here, there), expected, "{here} {there}");
        }
    }
}
