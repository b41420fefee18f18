//! Parameters as a server logs them: `$1 = '5', $2 = NULL, $3 = 'a, $4 = ''b'''`.

/// The values in order, as SQL literals on one line; `None` where the text is not a whole list of them.
pub fn read(text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        rest = rest.strip_prefix('$')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = rest[..digits].parse().ok()?;
        if number != values.len() + 1 {
            return None;
        }
        rest = rest[digits..].strip_prefix(" = ")?;
        if let Some(after) = rest.strip_prefix("NULL") {
            values.push("NULL".to_owned());
            rest = after;
        } else {
            let (value, after) = quoted(rest.strip_prefix('\'')?)?;
            values.push(literal(&value));
            rest = after;
        }
        match rest.strip_prefix(", ") {
            Some(after) => rest = after,
            None if rest.trim().is_empty() => break,
            None => return None,
        }
    }
    Some(values)
}

/// A string up to its closing quote, of which inner ones are doubled, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

/// A literal that stands on one line, as a registry needs it.
pub fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if !doubled.contains(['\\', '\n', '\r']) {
        return format!("'{doubled}'");
    }
    let escaped = doubled.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    format!("E'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_may_hold_commas_quotes_and_what_looks_like_another() {
        let values = read("$1 = '5', $2 = NULL, $3 = 'a, $4 = ''b''', $4 = '', $5 = '{1,2}'").expect("values");
        assert_eq!(values, ["'5'", "NULL", "'a, $4 = ''b'''", "''", "'{1,2}'"]);
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("$1 = 'a\nb\\c'"), Some(vec!["E'a\\nb\\\\c'".to_owned()]));
    }

    #[test]
    fn what_is_cut_off_is_no_list() {
        for text in ["$1 = 'a", "$1 = ", "$2 = 'a'", "$1 = 'a' $2 = 'b'", "1 = 2", "$1 = 5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read_back(values in prop::collection::vec(prop::option::of("[a',$= 1-9\\n\\\\]{0,12}"), 0..5)) {
            let written: Vec<String> = values.iter().enumerate().map(|(index, value)| match value {
                Some(value) => format!("${} = '{}'", index + 1, value.replace('\'', "''")),
                None => format!("${} = NULL", index + 1),
            }).collect();
            let expected: Vec<String> =
                values.iter().map(|value| value.as_ref().map_or("NULL".to_owned(), |value| literal(value))).collect();
            prop_assert_eq!(read(&written.join(", ")), Some(expected));
        }
    }
}
