//! What `auto_explain` logs: `plan:` and behind it a query's text, its parameters (from 16 on) and its plan.

use serde_json::Value;

/// Text and parameters, as logged; the parameters are `None` where there are none.
///
/// # Errors
/// A format without the text, for people.
pub fn read(plan: &str) -> Result<(String, Option<String>), String> {
    let plan = plan.trim_start();
    if plan.starts_with('{') {
        let json: Value = serde_json::from_str(plan).map_err(|_| "its plan is cut off".to_owned())?;
        let text = json["Query Text"].as_str().ok_or("its plan has no Query Text")?;
        return Ok((text.to_owned(), json["Query Parameters"].as_str().map(str::to_owned)));
    }
    let Some(rest) = plan.strip_prefix("Query Text: ") else {
        return Err("a plan in XML or YAML: set auto_explain.log_format to json or text".to_owned());
    };
    let (mut text, mut parameters): (Vec<&str>, Option<String>) = (Vec::new(), None);
    for line in rest.lines() {
        let is_plan = line.contains("(cost=") && line.contains(" rows=") && line.contains(" width=");
        match (&mut parameters, line.strip_prefix("Query Parameters: ")) {
            _ if is_plan => break,
            (None, Some(values)) => parameters = Some(values.to_owned()),
            (None, None) => text.push(line),
            // A value may go over several lines.
            (Some(values), _) => {
                values.push('\n');
                values.push_str(line);
            }
        }
    }
    Ok((text.join("\n"), parameters))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn both_formats_are_read() {
        let text = "Query Text: SELECT *\n  FROM t WHERE a = $1\nQuery Parameters: $1 = 'x\ny'\n\
                    Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'x'::text)";
        let expected = Ok(("SELECT *\n  FROM t WHERE a = $1".to_owned(), Some("$1 = 'x\ny'".to_owned())));
        assert_eq!(read(text), expected);
        let json = r#"{"Query Text": "SELECT 1", "Plan": {"Node Type": "Result"}}"#;
        assert_eq!(read(json), Ok(("SELECT 1".to_owned(), None)));
        assert!(read("<explain>").expect_err("XML").contains("log_format"));
    }
}
