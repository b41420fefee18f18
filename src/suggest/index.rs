//! `CREATE INDEX` on a table with rows: `CONCURRENTLY`.

use super::context::Context;
use super::{Draft, SHORTER, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::snapshot::catalog::{Relation, RelationKind};

const BUILT: [&str; 3] = ["lock/index-build", "lock/full-scan", "lock/no-timeout"];
pub(super) const WHY: &str =
    "builds the index while reads and writes go on; a build that fails leaves an invalid index to drop";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    if context.kind != (StatementKind::CreateIndex { concurrently: false }) || !context.builds_concurrently() {
        return None;
    }
    let index = context.words.iter().position(|word| word.is("INDEX"))?;
    let table = table(context, index)?;
    if !matches!(table.kind, RelationKind::Table | RelationKind::MaterializedView) {
        return None;
    }
    let sql = format!("{} CONCURRENTLY {}", context.text(0..index + 1)?, context.text(index + 1..context.words.len())?);
    let draft = Draft::new(sql, StepTransaction::Outside, WHY);
    Some(Written::new("CREATE INDEX CONCURRENTLY", &[BUILT, SHORTER].concat(), vec![draft]))
}

/// The table an index is made on; the word `INDEX` stands at `index`.
pub(super) fn table<'a>(context: &Context<'a>, index: usize) -> Option<&'a Relation> {
    let mut at = context.skip(index + 1, &["IF", "NOT", "EXISTS"]);
    // Without a name of its own `ON` follows at once, which no name may be unless it is quoted.
    if !context.has(at, &["ON"]) {
        at = context.name(at)?.1;
    }
    if !context.has(at, &["ON"]) {
        return None;
    }
    let (name, _) = context.name(context.skip(at + 1, &["ONLY"]))?;
    context.relation(&name)
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    fn shop() -> Db {
        Db::default().table(1, "public", "orders").column(1, 1, "status", "text")
    }

    #[test]
    fn an_index_is_built_beside_the_writes_in_the_statements_own_words() {
        for (plain, safer) in [
            ("CREATE INDEX ON orders (status)", "CREATE INDEX CONCURRENTLY ON orders (status)"),
            (
                "create unique index if not exists \"On\" /* why */ ON ONLY public.orders (lower(status) text_pattern_ops) INCLUDE (id) WHERE status <> 'a;b'",
                "create unique index CONCURRENTLY if not exists \"On\" /* why */ ON ONLY public.orders (lower(status) text_pattern_ops) INCLUDE (id) WHERE status <> 'a;b'",
            ),
        ] {
            let written = shop().found(plain, &["lock/index-build", "lock/no-timeout"], &[1]);
            assert_eq!(sql(&written), [format!("outside: {safer}")]);
            assert_eq!(written[0].answers, ["lock/index-build", "lock/no-timeout"]);
        }
    }

    #[test]
    fn nothing_is_suggested_for_what_is_concurrent_already_or_cannot_be() {
        let build = &["lock/index-build"];
        assert!(shop().found("CREATE INDEX CONCURRENTLY ON orders (status)", build, &[1]).is_empty());
        assert!(shop().found("CREATE INDEX ON orders (status)", &[], &[1]).is_empty(), "nobody waits for it");
        assert!(shop().found("CREATE INDEX ON other (status)", build, &[1]).is_empty(), "no such table");
        assert!(shop().version(140_002).found("CREATE INDEX ON orders (status)", build, &[1]).is_empty());
        let rendered = shop().rendered();
        assert!(rendered.found("CREATE INDEX ON orders (status)", build, &[1]).is_empty(), "not what the file says");
        let temporary = Db::default().table(1, "pg_temp_3", "orders").persistence(1, 't');
        assert!(temporary.found("CREATE INDEX ON orders (status)", build, &[1]).is_empty());
    }

    #[test]
    fn a_name_in_two_schemas_is_the_one_that_was_locked() {
        let both = shop().table(2, "app", "orders");
        assert_eq!(both.found("CREATE INDEX ON orders (status)", &["lock/index-build"], &[2]).len(), 1);
        let neither = shop().table(2, "app", "orders");
        assert!(neither.found("CREATE INDEX ON orders (status)", &["lock/index-build"], &[1, 2]).is_empty());
    }
}
