//! Reads a data statement as far as saving its rows needs: what it writes to, what it assigns, and which rows it takes.
//!
//! Only what stands in the statement itself is read. Whatever is not plainly one of these shapes is no [`Written`] at
//! all, and the table is saved as if everything about it might change.

use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::{Word, words};

/// A table's name as a statement spells it, unquoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub schema: Option<String>,
    pub name: String,
    /// What the statement's expressions call it.
    pub alias: String,
    /// `ONLY`: rows of partitions and heirs stay as they are.
    pub only: bool,
}

/// What one statement does to the rows of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    Update {
        target: Target,
        /// Column and its new value; none for a value that is no single expression of this row.
        assigned: Vec<(String, Option<String>)>,
        /// The `WHERE` clause; none for every row.
        condition: Option<String>,
        /// Other tables decide along with it.
        joined: bool,
    },
    Delete {
        target: Target,
        condition: Option<String>,
        joined: bool,
    },
    Insert {
        target: Target,
        /// Empty where none are named: then all of the table's, in order.
        columns: Vec<String>,
        /// The rows of a `VALUES` list; none where they come from elsewhere.
        rows: Option<Vec<Vec<String>>>,
        /// The query they come from.
        query: Option<String>,
        /// `ON CONFLICT DO NOTHING`.
        keeps_existing: bool,
        /// `ON CONFLICT DO UPDATE`: rows that were there may change as well.
        overwrites: bool,
    },
    Truncate {
        targets: Vec<Target>,
    },
}

impl Written {
    /// The tables it names as written to.
    pub(super) fn targets(&self) -> &[Target] {
        match self {
            Self::Update { target, .. } | Self::Delete { target, .. } | Self::Insert { target, .. } => {
                std::slice::from_ref(target)
            }
            Self::Truncate { targets } => targets,
        }
    }
}

/// Puts tokens together again. Strings on two lines are one string only while a line ends between them.
fn text(words: &[Word<'_>]) -> String {
    let mut out = String::new();
    for (index, word) in words.iter().enumerate() {
        let previous = index.checked_sub(1).map(|before| &words[before]);
        let glued = previous.is_none_or(|before| matches!(before.text, "(" | "[" | "." | "::"))
            || matches!(word.text, ")" | "]" | "," | "." | "::" | "[")
            || (word.text == "(" && previous.is_some_and(|before| before.kind == TokenKind::Word));
        if previous.is_some_and(|before| before.kind == TokenKind::String) && word.kind == TokenKind::String {
            out.push('\n');
        } else if !glued {
            out.push(' ');
        }
        out.push_str(word.text);
    }
    out
}

/// What a statement writes; none where it is not plainly an `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
pub(super) fn written(sql: &str) -> Option<Written> {
    let all = words(sql.trim().trim_end_matches(';'));
    let first = all.first()?;
    let rest = &all[1..];
    if first.is("UPDATE") {
        update(rest)
    } else if first.is("DELETE") {
        delete(rest.strip_prefix_keyword("FROM")?)
    } else if first.is("INSERT") {
        insert(rest.strip_prefix_keyword("INTO")?)
    } else if first.is("TRUNCATE") {
        truncate(rest)
    } else {
        None
    }
}

trait Clauses {
    fn strip_prefix_keyword(&self, keyword: &str) -> Option<&Self>;
    fn find_keyword(&self, keyword: &str) -> Option<usize>;
}

impl Clauses for [Word<'_>] {
    fn strip_prefix_keyword(&self, keyword: &str) -> Option<&Self> {
        self.first().filter(|word| word.is(keyword)).map(|_| &self[1..])
    }

    /// Outside every parenthesis, and not the `FROM` of `IS DISTINCT FROM`.
    fn find_keyword(&self, keyword: &str) -> Option<usize> {
        (0..self.len()).find(|at| {
            let after_distinct = *at > 0 && self[at - 1].is("DISTINCT") && keyword == "FROM";
            self[*at].depth == 0 && self[*at].is(keyword) && !after_distinct
        })
    }
}

/// The table's name a list of words begins with.
pub(super) fn target_of(words: &[Word<'_>]) -> Option<Target> {
    target(words).map(|(target, _)| target)
}

/// Words that end a table's name where an alias could stand.
const NO_ALIAS: [&str; 10] =
    ["SET", "WHERE", "USING", "RETURNING", "VALUES", "SELECT", "DEFAULT", "OVERRIDING", "WITH", "TABLE"];

/// A table's name with its alias; and what follows.
fn target<'a, 'w>(words: &'a [Word<'w>]) -> Option<(Target, &'a [Word<'w>])> {
    let only = words.strip_prefix_keyword("ONLY");
    let words_after = only.unwrap_or(words);
    let mut at = 1;
    let mut schema = None;
    let mut name = words_after.first()?.name()?;
    if words_after.get(at).is_some_and(|word| word.text == ".") {
        schema = Some(std::mem::replace(&mut name, words_after.get(at + 1)?.name()?));
        at += 2;
    }
    if words_after.get(at).is_some_and(|word| word.text == "*") {
        at += 1;
    }
    let mut alias = name.clone();
    let keyword = words_after.get(at).is_some_and(|word| word.is("AS"));
    at += usize::from(keyword);
    if let Some(word) = words_after.get(at)
        && let Some(given) = word.name()
        && (keyword || !NO_ALIAS.iter().any(|end| word.is(end)))
    {
        alias = given;
        at += 1;
    }
    Some((Target { schema, name, alias, only: only.is_some() }, words_after.get(at..)?))
}

/// The `WHERE` clause, up to `RETURNING`. None of it is `WHERE CURRENT OF`.
fn condition(words: &[Word<'_>]) -> Option<Option<String>> {
    let end = words.find_keyword("RETURNING").unwrap_or(words.len());
    match words.find_keyword("WHERE") {
        Some(at) if words.get(at + 1).is_some_and(|word| word.is("CURRENT")) => None,
        Some(at) => Some(Some(text(words.get(at + 1..end)?))),
        None => Some(None),
    }
}

fn update(words: &[Word<'_>]) -> Option<Written> {
    let (target, rest) = target(words)?;
    let rest = rest.strip_prefix_keyword("SET")?;
    let ends = ["FROM", "WHERE", "RETURNING"].iter().filter_map(|end| rest.find_keyword(end)).min();
    let list = &rest[..ends.unwrap_or(rest.len())];
    let mut assigned = Vec::new();
    for one in list.split(|word| word.depth == 0 && word.text == ",") {
        let equals = one.iter().position(|word| word.depth == 0 && word.text == "=")?;
        let (columns, value) = (&one[..equals], &one[equals + 1..]);
        match columns {
            [column] if !value.is_empty() => {
                let plain = !matches!(value, [only] if only.is("DEFAULT"));
                assigned.push((column.name()?, plain.then(|| text(value))));
            }
            // `(a, b) = …`
            [open, .., close] if open.text == "(" && close.text == ")" => {
                for column in columns[1..columns.len() - 1].split(|word| word.text == ",") {
                    let [column] = column else { return None };
                    assigned.push((column.name()?, None));
                }
            }
            // An element of an array, a field of a row.
            [column, ..] => assigned.push((column.name()?, None)),
            [] => return None,
        }
    }
    let joined = rest.find_keyword("FROM").is_some();
    Some(Written::Update { target, assigned, condition: condition(rest)?, joined })
}

fn delete(words: &[Word<'_>]) -> Option<Written> {
    let (target, rest) = target(words)?;
    let joined = rest.find_keyword("USING").is_some();
    Some(Written::Delete { target, condition: condition(rest)?, joined })
}

fn insert(words: &[Word<'_>]) -> Option<Written> {
    let (target, mut rest) = target(words)?;
    let mut columns = Vec::new();
    if rest.first().is_some_and(|word| word.text == "(") {
        let close = rest.iter().position(|word| word.depth == 0 && word.text == ")")?;
        for column in rest[1..close].split(|word| word.text == ",") {
            // A field or an element is part of a column only.
            let [column] = column else { return None };
            columns.push(column.name()?);
        }
        rest = &rest[close + 1..];
    }
    let conflict = rest.find_keyword("CONFLICT");
    let keeps_existing = conflict.is_some_and(|at| rest[at..].iter().any(|word| word.is("NOTHING")));
    let overwrites = conflict.is_some() && !keeps_existing;
    let ends = [conflict.map(|at| at - 1), rest.find_keyword("RETURNING")].into_iter().flatten().min();
    let list = rest
        .find_keyword("VALUES")
        .filter(|at| *at == overriding(rest))
        .map(|at| &rest[at + 1..ends.unwrap_or(rest.len())]);
    let rows = list.and_then(|list| {
        let rows = list.split(|word| word.depth == 0 && word.text == ",");
        rows.map(|row| {
            let [open, values @ .., close] = row else { return None };
            let inside = open.text == "(" && close.text == ")";
            let each = values.split(|word| word.depth == 1 && word.text == ",").map(text);
            let fits = |values: &Vec<String>| columns.is_empty() || values.len() == columns.len();
            inside.then(|| each.collect()).filter(fits)
        })
        .collect()
    });
    let select = rest.first().is_some_and(|word| word.is("SELECT"));
    let query = select.then(|| text(&rest[..ends.unwrap_or(rest.len())]));
    Some(Written::Insert { target, columns, rows, query, keeps_existing, overwrites })
}

/// Where the rows begin, behind `OVERRIDING SYSTEM VALUE`.
fn overriding(rest: &[Word<'_>]) -> usize {
    if rest.first().is_some_and(|word| word.is("OVERRIDING")) { 3 } else { 0 }
}

fn truncate(words: &[Word<'_>]) -> Option<Written> {
    let mut rest = words.strip_prefix_keyword("TABLE").unwrap_or(words);
    let end = ["RESTART", "CONTINUE", "CASCADE", "RESTRICT"].iter().filter_map(|end| rest.find_keyword(end)).min();
    rest = &rest[..end.unwrap_or(rest.len())];
    let each = rest.split(|word| word.text == ",").map(|one| target(one).filter(|(_, rest)| rest.is_empty()));
    let targets: Option<Vec<Target>> = each.map(|found| found.map(|(target, _)| target)).collect();
    targets.filter(|targets| !targets.is_empty()).map(|targets| Written::Truncate { targets })
}

/// The items a query selects, and everything behind them; none where they cannot be counted, or matter to which rows there
/// are.
pub(super) fn select_items(query: &str) -> Option<(Vec<String>, String)> {
    let all = words(query);
    let list = all.strip_prefix_keyword("SELECT")?;
    let decides = ["UNION", "INTERSECT", "EXCEPT", "GROUP", "ORDER", "LIMIT"];
    let distinct = list.first().is_some_and(|word| word.is("DISTINCT") || word.is("ALL"));
    if distinct || decides.iter().any(|keyword| list.find_keyword(keyword).is_some()) {
        return None;
    }
    let end = ["FROM", "WHERE"].iter().filter_map(|end| list.find_keyword(end)).min().unwrap_or(list.len());
    let items = list[..end].split(|word| word.depth == 0 && word.text == ",");
    let items: Option<Vec<String>> = items
        .map(|item| {
            let last = item.last().filter(|last| last.text != "*")?;
            // The name an item is given does not matter.
            let named = item.len() > 2 && item[item.len() - 2].is("AS") && last.name().is_some();
            Some(text(if named { &item[..item.len() - 2] } else { item }))
        })
        .collect();
    Some((items?, text(&list[end..])))
}

/// The rows a `MERGE` adds, as an `INSERT` of what its source has and its target has not; what it changes besides is not read.
pub(super) fn merged(sql: &str) -> Option<Written> {
    let all = words(sql.trim().trim_end_matches(';'));
    let rest = all.strip_prefix_keyword("MERGE")?.strip_prefix_keyword("INTO")?;
    let (using, on) = (rest.find_keyword("USING")?, rest.find_keyword("ON")?);
    let (target, nothing) = target(&rest[..using])?;
    let whens: Vec<usize> = (on..rest.len()).filter(|at| rest[*at].depth == 0 && rest[*at].is("WHEN")).collect();
    let mut added = whens.iter().enumerate().filter(|(_, at)| rest.get(**at + 1).is_some_and(|word| word.is("NOT")));
    let ((place, at), None, true) = (added.next()?, added.next(), nothing.is_empty()) else { return None };
    let clause = &rest[*at..whens.get(place + 1).copied().unwrap_or(rest.len())];
    let then = clause.find_keyword("THEN")?;
    let values = clause.find_keyword("VALUES")?;
    let head = &clause[3..then];
    let condition = match head {
        [] => String::new(),
        [and, condition @ ..] if and.is("AND") => format!(" AND ({})", text(condition)),
        _ => return None,
    };
    let named = clause.get(then + 2..values)?;
    if !clause.get(then + 1).is_some_and(|word| word.is("INSERT")) || named.iter().any(|word| word.is("OVERRIDING")) {
        return None;
    }
    let columns: Option<Vec<String>> =
        named.iter().filter(|word| word.depth == 1 && word.text != ",").map(Word::name).collect();
    let list = clause.get(values + 2..clause.len() - 1)?;
    if list.iter().any(|word| word.depth == 1 && word.is("DEFAULT")) {
        return None;
    }
    let query = format!(
        "SELECT {} FROM {} WHERE NOT EXISTS (SELECT FROM {} WHERE {}){condition}",
        text(list),
        text(&rest[using + 1..on]),
        text(&rest[..using]),
        text(rest.get(on + 1..*whens.first()?)?)
    );
    Some(Written::Insert {
        target,
        columns: columns?,
        rows: None,
        query: Some(query),
        keeps_existing: false,
        overwrites: true,
    })
}

/// Columns an `ALTER TABLE` converts by an expression of its own, `USING` more than a cast of the column itself.
pub(super) fn converted_by_expression(sql: &str) -> Vec<(Target, String)> {
    let all = words(sql.trim().trim_end_matches(';'));
    let Some(rest) = all.strip_prefix_keyword("ALTER").and_then(|rest| rest.strip_prefix_keyword("TABLE")) else {
        return Vec::new();
    };
    let rest = match rest {
        [first, second, rest @ ..] if first.is("IF") && second.is("EXISTS") => rest,
        rest => rest,
    };
    // What follows the name is no alias here.
    let name = rest.iter().position(|word| word.depth == 0 && word.is("ALTER")).unwrap_or(rest.len());
    let Some((target, _)) = target(&rest[..name]) else { return Vec::new() };
    let actions = rest[name..].split(|word| word.depth == 0 && word.text == ",");
    actions
        .filter_map(|action| {
            let action = action.strip_prefix_keyword("ALTER")?;
            let action = action.strip_prefix_keyword("COLUMN").unwrap_or(action);
            let column = action.first()?.name()?;
            action.find_keyword("TYPE")?;
            let using = &action[action.find_keyword("USING")? + 1..];
            let own = |word: &Word<'_>| word.name().as_ref() == Some(&column);
            let cast = match using {
                [only] => own(only),
                [first, second, rest @ ..] if own(first) && second.text == "::" => {
                    rest.iter().all(|word| word.kind != TokenKind::Operator && word.text != "::")
                }
                _ => false,
            };
            (!cast).then_some((target.clone(), column))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plain(name: &str) -> Target {
        Target { schema: None, name: name.to_owned(), alias: name.to_owned(), only: false }
    }

    #[test]
    fn an_update_is_its_assignments_and_its_condition() {
        let found = written(
            "UPDATE ONLY public.\"Orders\" AS o SET status = 'old' /* as it is */, n = coalesce(o.n, 0) + 1,\n \
             note = DEFAULT WHERE o.at < '2020-01-01' -- before\n AND o.n IS DISTINCT FROM 3 RETURNING id;",
        );
        let target =
            Target { schema: Some("public".to_owned()), name: "Orders".to_owned(), alias: "o".to_owned(), only: true };
        let assigned = vec![
            ("status".to_owned(), Some("'old'".to_owned())),
            ("n".to_owned(), Some("coalesce(o.n, 0) + 1".to_owned())),
            ("note".to_owned(), None),
        ];
        let condition = Some("o.at < '2020-01-01' AND o.n IS DISTINCT FROM 3".to_owned());
        assert_eq!(found, Some(Written::Update { target, assigned, condition, joined: false }));
    }

    #[test]
    fn what_other_tables_decide_is_told_apart() {
        let joined = |sql: &str| match written(sql).unwrap() {
            Written::Update { joined, .. } | Written::Delete { joined, .. } => joined,
            _ => false,
        };
        assert!(joined("UPDATE t SET a = u.a FROM u WHERE u.id = t.id"));
        assert!(joined("DELETE FROM t USING u WHERE u.id = t.id"));
        assert!(!joined("UPDATE t SET a = extract(year FROM at)"));
    }

    #[test]
    fn parts_of_columns_have_no_single_value() {
        let Some(Written::Update { assigned, .. }) = written("UPDATE t SET (a, b) = (1, 2), c[1] = 3, d = 4") else {
            unreachable!("an update")
        };
        let without: Vec<&str> =
            assigned.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(without, ["a", "b", "c"]);
        assert_eq!(assigned[3], ("d".to_owned(), Some("4".to_owned())));
    }

    #[test]
    fn rows_of_a_values_list_are_read_and_others_are_not() {
        let Some(Written::Insert { columns, rows, keeps_existing, overwrites, target, query: None }) =
            written("INSERT INTO roles (id, name) VALUES (1, upper('a,b')), (2, 'x') ON CONFLICT (id) DO NOTHING")
        else {
            unreachable!("an insert")
        };
        assert_eq!((columns.join(","), target), ("id,name".to_owned(), plain("roles")));
        assert_eq!(rows.unwrap(), [["1", "upper('a,b')"], ["2", "'x'"]]);
        assert!(keeps_existing && !overwrites);
        let Some(Written::Insert { rows, query, .. }) = written("INSERT INTO roles (id) SELECT 1 RETURNING id") else {
            unreachable!("an insert")
        };
        assert_eq!((rows, query.unwrap().as_str()), (None, "SELECT 1"));
    }

    #[test]
    fn items_of_a_query_are_counted_where_they_can_be() {
        let (items, rest) = select_items("SELECT a, f(b, 2) AS x, now() FROM t WHERE a > 1").unwrap();
        assert_eq!((items.join("; "), rest.as_str()), ("a; f(b, 2); now()".to_owned(), "FROM t WHERE a > 1"));
        for sql in
            ["SELECT * FROM t", "SELECT DISTINCT a FROM t", "SELECT a FROM t UNION SELECT b FROM u", "VALUES (1)"]
        {
            assert_eq!(select_items(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_merge_adds_what_its_target_has_not() {
        let sql = "MERGE INTO stock AS s USING (SELECT 1 AS id) x ON s.id = x.id WHEN MATCHED THEN UPDATE SET n = 1 \
                   WHEN NOT MATCHED AND x.id > 0 THEN INSERT (id, n) VALUES (x.id, 2);";
        let Some(Written::Insert { target, columns, query, .. }) = merged(sql) else { unreachable!("an insert") };
        assert_eq!((target.name.as_str(), columns.join(",").as_str()), ("stock", "id,n"));
        let expected = "SELECT x.id, 2 FROM (SELECT 1 AS id) x WHERE NOT EXISTS (SELECT FROM stock AS s WHERE s.id = x.id) AND (x.id > 0)";
        assert_eq!(query.unwrap(), expected);
        assert_eq!(merged("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE"), None);
    }

    #[test]
    fn truncate_may_name_several() {
        let found = written("TRUNCATE TABLE ONLY a, s.b RESTART IDENTITY CASCADE").unwrap();
        let names: Vec<&str> = found.targets().iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_cast_of_the_column_itself_is_no_expression() {
        let columns = |sql: &str| -> Vec<String> {
            converted_by_expression(sql)
                .into_iter()
                .map(|(target, column)| format!("{}.{column}", target.name))
                .collect()
        };
        let sql = "ALTER TABLE IF EXISTS ONLY s.t ALTER a TYPE bigint USING a::bigint, ALTER COLUMN b SET DATA TYPE text \
                   USING lower(b), ALTER c TYPE numeric(6, 2) USING (c * 2), DROP COLUMN d";
        assert_eq!(columns(sql), ["t.b", "t.c"]);
        assert_eq!(columns("ALTER TABLE t ALTER a TYPE text"), Vec::<String>::new());
        assert_eq!(columns("ALTER TABLE t ALTER a TYPE text USING a::integer::text"), ["t.a"]);
        assert_eq!(columns("DROP TABLE t"), Vec::<String>::new());
    }

    #[test]
    fn everything_else_is_not_read() {
        for sql in ["WITH x AS (SELECT 1) UPDATE t SET a = 1", "DO $$ BEGIN END $$", "MERGE INTO t USING u ON true", ""]
        {
            assert_eq!(written(sql), None, "{sql}");
        }
        assert_eq!(written("UPDATE t SET a = 1 WHERE CURRENT OF c"), None);
    }
}
