//! Parameters as SQLite has them.

use super::{Names, ParameterError, Rewriter};

impl Rewriter<'_> {
    /// `?` counts on from the highest number so far and `?1` says its own. `:1`, `@1` and `$1` are numbers for the
    /// libraries that write them, although SQLite takes them for names; every other one has a name.
    pub(super) fn sqlite(&mut self, at: usize, written: &str) -> Result<Option<usize>, ParameterError> {
        let name = &written[1..];
        let number = match (&self.names, name) {
            (Names::Positional(highest, _), "") => Some(highest + 1),
            (_, "") => Some(1),
            (_, digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => return self.named(at, at + 1, name.to_owned()),
        };
        let number = self.numbered(at, written, number)?;
        self.push(number, at + 1);
        Ok(Some(at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, ParameterErrorKind, assignments, rewrite_as};
    use crate::migration::script;

    fn rewritten(sql: &str) -> (String, String) {
        let (sql, names) = rewrite_as(sql, &Dialect::of(script::Dialect::Sqlite)).expect("parameters that can be told");
        (sql, names.join(" "))
    }

    #[test]
    fn every_way_of_writing_them_becomes_a_number() {
        for (sql, expected, names) in [
            ("SELECT ?, ?", "SELECT $1, $2", "1 2"),
            ("SELECT ?2, ?, ?1", "SELECT $2, $3, $1", "1 2 3"),
            ("SELECT $2, $1", "SELECT $2, $1", "1 2"),
            ("a = :id AND b = @day AND c = $id", "a = $1 AND b = $2 AND c = $1", "id day"),
            ("a = sqlc.arg(id) AND b IN (sqlc.slice('ids'))", "a = $1 AND b IN ($2)", "id ids"),
            ("SELECT sqlc.embed(t) FROM t", "SELECT t.* FROM t", ""),
        ] {
            assert_eq!(rewritten(sql), (expected.to_owned(), names.to_owned()), "{sql}");
        }
        assert_eq!(rewritten("SELECT?"), ("SELECT $1".to_owned(), "1".to_owned()));
        // `$2(3)` would be one parameter.
        assert_eq!(rewritten("??(3)"), ("$1 $2 (3)".to_owned(), "1 2".to_owned()));
    }

    #[test]
    fn what_is_quoted_or_an_operator_stays() {
        for sql in
            ["SELECT '?', \":a\", `?`, [@x], x'00'", "SELECT a->>'$.b', a -> '$' -- ?", "SELECT 1 /* :a", "a % b"]
        {
            assert_eq!(rewritten(sql), (sql.to_owned(), String::new()), "{sql}");
        }
    }

    #[test]
    fn names_and_numbers_are_not_mixed() {
        let error = |sql| rewrite_as(sql, &Dialect::of(script::Dialect::Sqlite)).expect_err("refused").kind;
        assert!(matches!(error("SELECT ?, :a"), ParameterErrorKind::Mixed { .. }));
        assert!(matches!(error("SELECT :a, ?"), ParameterErrorKind::Mixed { .. }));
        assert_eq!(error("SELECT ?0"), ParameterErrorKind::Number("?0".to_owned()));
    }

    #[test]
    fn sets_give_values_in_its_spelling() {
        let found = assignments("?1 = x'00', :a = [b], c = json('[1, 2]') ->> '$', $d=-1", script::Dialect::Sqlite);
        let found: Vec<(String, String)> =
            found.expect("values").into_iter().map(|one| (one.name, one.value)).collect();
        let expected = [("1", "x'00'"), ("a", "[b]"), ("c", "json('[1, 2]') ->> '$'"), ("d", "-1")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(assignments("a = :b", script::Dialect::Sqlite).expect_err("a parameter").contains("cannot stand"));
    }
}
