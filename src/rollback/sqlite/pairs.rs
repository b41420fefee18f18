//! Which table is which: each table there was before with what the migration made of it.

use super::Input;
use super::tokens::same_text;
use super::writes;
use crate::snapshot::sqlite::{Column, Table, TableKind, same_name};

/// A table there was before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub before: &'a Table,
    /// What it is now; none where it is gone, or is a virtual table of another text.
    pub after: Option<&'a Table>,
    /// The migration dropped it and made it again: its rows are as many as it copied, with rowids of their own.
    pub rebuilt: bool,
}

impl<'a> Pair<'a> {
    /// Whether it bears another name now; case alone does not count.
    pub fn renamed(&self) -> Option<&'a str> {
        let now = self.after.map(|after| after.name.as_str());
        now.filter(|now| !same_name(now, &self.before.name))
    }

    /// Whether its definition, or its name, is another one.
    pub fn differs(&self) -> bool {
        self.after.is_none_or(|after| !same_text(&self.before.sql, &after.sql))
    }

    /// Whether this is what it is, or was, called.
    pub fn is_called(&self, name: &str) -> bool {
        same_name(&self.before.name, name) || self.after.is_some_and(|after| same_name(&after.name, name))
    }
}

/// All pairs, and the tables that are new.
pub(super) fn pairs<'a>(input: &Input<'a>) -> (Vec<Pair<'a>>, Vec<&'a Table>) {
    let visible = |table: &&'a Table| table.kind != TableKind::Shadow;
    let dropped: Vec<String> = input.statements.iter().filter_map(|sql| writes::dropped(sql)).collect();
    let mut found = Vec::new();
    for before in input.before.tables.values().filter(visible) {
        let number = input.before_ids.relation(&before.name);
        let same = |after: &&Table| {
            let told = input.after_ids.relation(&after.name);
            number.is_some() && told == number && after.kind == before.kind
        };
        let after = input.after.tables.values().filter(visible).find(same).filter(|after| {
            // What a virtual table keeps is its module's affair: another definition is another table.
            let mut as_before = (*after).clone();
            as_before.sql = after.sql.replacen(&after.name, &before.name, 1);
            before.kind != TableKind::Virtual || same_text(&before.sql, &as_before.sql)
        });
        let mut pair = Pair { before, after, rebuilt: false };
        let moved = after.is_some_and(|after| after.root_page != before.root_page);
        let vacuumed = input.statements.iter().any(|sql| writes::begins(sql, "VACUUM"));
        pair.rebuilt = after.is_some() && ((moved && !vacuumed) || dropped.iter().any(|name| pair.is_called(name)));
        // Where VACUUM moves everything, only the text tells that it was built under another name.
        pair.rebuilt |= vacuumed
            && input.statements.iter().filter_map(|sql| writes::renamed(sql)).any(|(_, to)| pair.is_called(&to))
            && !dropped.is_empty();
        found.push(pair);
    }
    let paired =
        |table: &&Table| !found.iter().any(|pair: &Pair<'_>| pair.after.is_some_and(|after| after.name == table.name));
    let new = input.after.tables.values().filter(visible).filter(paired).collect();
    (found, new)
}

/// What became of a column.
pub(super) fn column_now<'a>(input: &Input<'_>, pair: &Pair<'a>, column: &Column) -> Option<&'a Column> {
    let after = pair.after?;
    let number = input.before_ids.column(input.before_ids.relation(&pair.before.name)?, &column.name)?;
    let table = input.after_ids.relation(&after.name)?;
    after.columns.iter().find(|now| input.after_ids.column(table, &now.name) == Some(number))
}
