//! The statements that note rows the migration is going to add, and take them out again.

use super::super::names::identifier;
use super::restore::texts;
use super::{Added, Save, SavedColumn};
use crate::engine::postgres::session::quote_literal;

/// Rows that look like those that are wanted, and both side by side.
struct Looks {
    found: String,
    wanted: String,
    /// `t`, `now` and `b`, a row and the one that was saved of it.
    pairs: String,
}

/// The row that was found.
const ROW: &str = "t.tableoid = now.part AND t.ctid = now.row";

/// No more of them are there than the migration added.
const CERTAIN: &str = " AND now.many <= b.wanted";

impl Added {
    /// Notes rows that are referred to, and deletes the others. Rows that refer to each other go one after another, those
    /// that nothing refers to first: what is there then is in use.
    fn without_those_in_use(&self, referred: Option<String>, delete: String) -> Vec<String> {
        if !self.chained {
            return referred.into_iter().chain([delete]).collect();
        }
        let each = format!(
            "LOOP\n            {}\n            EXIT WHEN NOT FOUND;\n        END LOOP;",
            delete.replace('\n', "\n    ")
        );
        [each].into_iter().chain(referred).collect()
    }
}

impl Save {
    /// Statement of `prepare.sql` for rows that are going to be added.
    pub(super) fn prepare_added(&self, name: &str, added: &Added) -> String {
        let listed: Vec<String> = self.columns.iter().map(|column| column.selected_from("v.")).collect();
        let (mark, told) = (texts("t", &self.columns), texts("v", &self.columns));
        let (more, join) = match (&added.numbered, &added.identity) {
            (Some((_, sequence)), _) => (
                format!(
                    ",\n    (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}) AS seatrial_after"
                ),
                String::new(),
            ),
            (None, Some(identity)) if added.is_ambiguous() => (
                ", there.seatrial_there".to_owned(),
                format!(
                    "\n    LEFT JOIN (\n        SELECT md5({mark}::text) AS mark, array_agg({identity}) AS seatrial_there\n        FROM {} \
                     AS t GROUP BY 1) AS there ON there.mark = md5({told}::text)",
                    self.scanned()
                ),
            ),
            _ => (String::new(), String::new()),
        };
        let stand_in = match &added.lookups.stand_in {
            Some((_, value)) => format!(",\n    {value} AS seatrial_stand_in"),
            None => String::new(),
        };
        format!(
            "-- It is the migration's own words that are asked, with the names they find.\nSET LOCAL search_path TO \
             DEFAULT;\nCREATE TABLE {name} AS\n    SELECT {}{more}{stand_in}\n    FROM (\n        {}) AS v{join};\nSET LOCAL search_path = '';",
            listed.join(", "),
            added.query
        )
    }

    pub(super) fn take_out(&self, name: &str, added: &Added) -> Vec<String> {
        // The application may have taken to using these rows: they stay then.
        let used: Vec<String> = added.referrers.iter().map(|rows| format!("EXISTS ({rows})")).collect();
        let used = used.join(" OR ");
        let free = if used.is_empty() { String::new() } else { format!("\n                AND NOT ({used})") };
        let mut steps = added.lookups.found.clone();
        steps.extend(if added.is_given() {
            self.take_out_by_key(name, added, &used, &free)
        } else {
            self.take_out_by_looks(name, added, &used, &free)
        });
        steps.push(self.count_left_alone());
        steps
    }

    fn take_out_by_key(&self, name: &str, added: &Added, used: &str, free: &str) -> Vec<String> {
        let scanned = self.scanned();
        let matched: Vec<String> = added.keys.iter().map(SavedColumn::matched).collect();
        let matched = matched.join(" AND ");
        let (now, then) = (texts("t", &self.columns), texts("b", &self.columns));
        let changed = format!(
            "EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND {now} IS DISTINCT FROM {then})"
        );
        let mut steps = vec![self.leave_alone(name, &added.keys, "changed since", &changed)];
        let there = format!("EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND ({used}))");
        let referred = (!used.is_empty()).then(|| self.leave_alone(name, &added.keys, "referred to since", &there));
        let delete = format!(
            "DELETE FROM {scanned} AS t USING {name} AS b\n            WHERE {matched} AND {now} IS NOT DISTINCT FROM {then}{free};"
        );
        steps.extend(added.without_those_in_use(referred, delete));
        steps
    }

    /// The keys of rows that were found, with what stood in for them.
    pub(super) fn found_keys(&self, name: &str, added: &Added, key: &str) -> String {
        let (pairs, certain) = (self.looks(name, added).pairs, if added.is_ambiguous() { CERTAIN } else { "" });
        format!(
            "\n                SELECT t.{} AS key, b.seatrial_stand_in FROM {pairs}\n                WHERE true{certain}",
            identifier(key)
        )
    }

    fn looks(&self, name: &str, added: &Added) -> Looks {
        let scanned = self.scanned();
        let (mark, saved) = (texts("t", &self.columns), texts("b", &self.columns));
        // Equal rows are told apart by their place; the first ones are the migration's.
        let mut order = "t.tableoid, t.ctid".to_owned();
        let mut later = String::new();
        if let Some((key, _)) = &added.numbered {
            let key = key.plain();
            later = format!(" WHERE t.{key} > (SELECT max(seatrial_after) FROM {name})");
            order = format!("t.{key}");
        } else if let Some(identity) = added.identity.as_ref().filter(|_| added.is_ambiguous()) {
            later = format!(
                "\n                WHERE NOT EXISTS (SELECT FROM {name} AS b WHERE {identity} = ANY (b.seatrial_there))"
            );
        }
        let found = format!(
            "(\n                SELECT t.tableoid AS part, t.ctid AS row, md5({mark}::text) AS mark,\n                    row_number() OVER \
             (PARTITION BY {mark}::text ORDER BY {order}) AS place,\n                    count(*) OVER (PARTITION BY {mark}::text) AS \
             many\n                FROM {scanned} AS t{later})"
        );
        let stand_in = if added.lookups.stand_in.is_some() { ", b.seatrial_stand_in" } else { "" };
        let others: Vec<String> = added
            .alike
            .iter()
            .map(|other| {
                let theirs = texts("o", &self.columns);
                format!(
                    "\n                    + (SELECT count(*) FROM {other} AS o WHERE {theirs}::text = {saved}::text)"
                )
            })
            .collect();
        let wanted = format!(
            "(\n                SELECT md5({saved}::text) AS mark, row_number() OVER (PARTITION BY {saved}::text) AS place,\n                    \
             count(*) OVER (PARTITION BY {saved}::text){} AS wanted{stand_in}\n                FROM {name} AS b)",
            others.concat()
        );
        let pairs = format!("{scanned} AS t JOIN {found} AS now ON {ROW} JOIN {wanted} AS b USING (mark, place)");
        Looks { found, wanted, pairs }
    }

    /// Rows are found by what is told of them.
    fn take_out_by_looks(&self, name: &str, added: &Added, used: &str, free: &str) -> Vec<String> {
        let scanned = self.scanned();
        let Looks { found, wanted, pairs } = self.looks(name, added);
        let note = |key: &str, why: &str, from: &str| {
            format!(
                "INSERT INTO {}.left_alone\n            SELECT {}, {key}, {}\n            FROM {from};",
                identifier(&self.schema),
                quote_literal(&self.origin),
                quote_literal(why)
            )
        };
        let missing = format!(
            "{wanted} AS b WHERE NOT EXISTS (\n                SELECT FROM {found} AS now WHERE now.mark = b.mark AND now.place = b.place)"
        );
        let mut steps = vec![note("'its key is not known'", "changed or deleted since", &missing)];
        let key = match added.keys.as_slice() {
            [] => "t.ctid::text".to_owned(),
            keys => {
                let each: Vec<String> = keys.iter().map(|key| format!("t.{}", key.plain())).collect();
                format!("concat_ws(', ', {})", each.join(", "))
            }
        };
        let certain = if added.is_ambiguous() { CERTAIN } else { "" };
        if added.is_ambiguous() {
            steps.push(note(
                &key,
                "others like it were written since",
                &format!("{pairs}\n            WHERE now.many > b.wanted"),
            ));
        }
        let referred = (!used.is_empty())
            .then(|| note(&key, "referred to since", &format!("{pairs}\n            WHERE ({used}){certain}")));
        let delete = format!(
            "DELETE FROM {scanned} AS t USING {found} AS now JOIN {wanted} AS b USING (mark, place)\n            WHERE {ROW}{certain}{free};"
        );
        steps.extend(added.without_those_in_use(referred, delete));
        steps
    }
}
