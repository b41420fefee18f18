//! Statements that `pg_stat_statements` counted: rows of the view, or the view saved as CSV with a header.

use super::{Found, Import, Refused, bare, csv, merge, parameters, unpreparable};

/// One row of the view, summed over the users who ran it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// As it stands in the view; empty where the server lost it.
    pub query: String,
    /// `queryid`.
    pub identity: Option<String>,
    /// Calls, or calls a minute where it is known since when they are counted.
    pub calls: f64,
    /// `total_exec_time`, in milliseconds.
    pub total_ms: f64,
}

/// The `top` rows by total time, as what can be planned and what cannot; `place` is for people.
pub fn take(place: &str, mut rows: Vec<Row>, top: usize) -> Import {
    rows.sort_by(|one, other| other.total_ms.total_cmp(&one.total_ms));
    let mut import = Import::default();
    for (index, row) in rows.into_iter().take(top).enumerate() {
        let place = format!("{place}, number {}", index + 1);
        let (sql, name) = bare(&row.query);
        if let Some(reason) = unpreparable(&sql) {
            let shown = crate::migration::script::mask_literals(&sql);
            let shown: String = shown.chars().take(60).collect();
            import.refused.push(Refused { place, reason: format!("{reason}: {shown}") });
            continue;
        }
        let names = (1..=parameters(&sql)).map(|number| number.to_string()).collect();
        let (owner, types, sets) = (None, Vec::new(), Vec::new());
        let (calls, identity) = (row.calls.max(1e-3), row.identity);
        import.found.push(Found {
            place,
            name,
            owner,
            sql,
            parameters: names,
            types,
            calls,
            sets,
            identity,
            logged: false,
        });
    }
    import.found = merge(import.found, |each| each.identity.clone().unwrap_or_else(|| each.sql.clone()));
    import
}

/// Reads the view saved with `\copy (SELECT * FROM pg_stat_statements) TO … CSV HEADER`; `None` where it is something else.
pub fn read_csv(name: &str, text: &str, top: usize) -> Option<Import> {
    let header = text.lines().next()?;
    if !["query", "calls"].iter().all(|wanted| header.split(',').any(|column| column.trim_matches('"') == *wanted)) {
        return None;
    }
    let mut records = csv::records(text).into_iter();
    let (_, header) = records.next()?;
    let column = |wanted: &str| header.iter().position(|column| column == wanted);
    let (query, calls) = (column("query")?, column("calls")?);
    let (identity, total) = (column("queryid"), column("total_exec_time"));
    let rows = records.map(|(_, fields)| {
        let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
        let number = |at: usize| field(at).parse().unwrap_or(0.0);
        let calls = number(calls);
        Row {
            query: field(query),
            identity: identity.map(field).filter(|text| !text.is_empty()),
            calls,
            total_ms: total.map_or(calls, number),
        }
    });
    Some(take(name, rows.collect(), top))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_expensive_statements_are_taken_and_the_others_told() {
        let text = "userid,queryid,query,calls,total_exec_time\n\
                    1,7,\"SELECT a, \"\"b\"\" FROM t WHERE c = $1\",10,5.5\n\
                    2,7,\"SELECT a, \"\"b\"\" FROM t WHERE c = $1\",3,1\n\
                    1,8,SELECT now() - interval $1,9,90\n\
                    1,9,SELECT 1,1000,0.1\n";
        let import = read_csv("s.csv", text, 3).expect("the view");
        assert_eq!(import.found.len(), 1);
        let found = &import.found[0];
        assert_eq!((found.calls, found.identity.as_deref(), found.parameters.len()), (13.0, Some("7"), 1));
        assert!(import.refused[0].reason.starts_with("`interval $1` is no SQL"), "{import:?}");
        assert_eq!(read_csv("s.csv", "a,b\n1,2\n", 3), None);
    }
}
