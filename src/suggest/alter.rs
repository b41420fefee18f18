//! `ALTER TABLE`: each action by itself becomes a [`Part`], and the parts are put together in phases, so that all that is
//! slow runs between two short transactions.
//!
//! Actions that nobody waits long for stay as they are, at their place. Only what does not depend on another action of the
//! same statement is taken out of it.

mod column;
mod constraint;
mod key;
mod not_null;

use super::context::Context;
use super::{Draft, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::snapshot::catalog::{Relation, RelationKind};
use std::collections::BTreeSet;
use std::ops::Range;

/// An `ALTER TABLE` with a list of actions.
pub(super) struct Alter<'c, 'a> {
    pub context: &'c Context<'a>,
    pub table: &'a Relation,
    /// The table as the statement spells it.
    pub spelled: &'a str,
    /// Words of each action.
    pub actions: Vec<Range<usize>>,
}

/// What one action becomes: what is done in each phase. Actions of `ALTER TABLE`, unless said otherwise.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub form: &'static str,
    /// What is found about the action as it was.
    pub answers: &'static [&'static str],
    /// At once, together with what stays as it is.
    pub begin: Vec<(String, &'static str)>,
    /// Right after it, in statements of their own.
    pub then: Vec<(String, &'static str)>,
    /// Whole statements, outside any transaction.
    pub outside: Vec<(String, &'static str)>,
    /// After these, in a transaction of its own.
    pub late: Vec<(String, &'static str)>,
    /// Names of constraints to validate, as SQL spells them, each in a transaction of its own.
    pub validate: Vec<String>,
    /// All in one transaction.
    pub finish: Vec<(String, &'static str)>,
    /// At the end of that, once nothing needs it any more.
    pub clean: Vec<(String, &'static str)>,
}

/// One action, as far as it is known.
pub(super) enum Action {
    /// Nobody waits long for it.
    Stays,
    /// Something safer is known.
    Becomes(Box<Part>),
}

/// Reads an action; none if it is not one it knows for certain.
type Reads = fn(&Alter<'_, '_>, &Range<usize>) -> Option<Action>;

/// Every form of `ALTER TABLE`, and what may stay.
pub(super) const ACTIONS: &[Reads] =
    &[constraint::foreign_key, constraint::check, not_null::write, key::write, column::write, stays];

const STAYS: &str = "stays as it is";
const VALIDATE: &str = "reads all rows while others read and write";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    let alter = read(context)?;
    let mut parts: Vec<(&Range<usize>, Part)> = Vec::new();
    let mut staying: Vec<&Range<usize>> = Vec::new();
    // In the order they are written: columns come in that order too.
    let mut opening = Vec::new();
    for action in &alter.actions {
        match ACTIONS.iter().find_map(|reads| reads(&alter, action))? {
            Action::Stays => {
                opening.push((context.text(action.clone())?.to_owned(), STAYS));
                staying.push(action);
            }
            Action::Becomes(mut part) => {
                opening.append(&mut part.begin);
                parts.push((action, *part));
            }
        }
    }
    if parts.is_empty() || !independent(&alter, &staying, &parts) {
        return None;
    }
    let mut forms = Vec::new();
    let mut answers = BTreeSet::new();
    for (_, part) in &parts {
        if !forms.contains(&part.form) {
            forms.push(part.form);
        }
        answers.extend(part.answers);
    }
    let drafts = together(&alter, &opening, &parts.into_iter().map(|(_, part)| part).collect::<Vec<Part>>());
    Some(Written { forms, answers, drafts })
}

/// The statement's table and actions. None for what is no list of them: `RENAME`, `SET SCHEMA`, partitions.
fn read<'c, 'a>(context: &'c Context<'a>) -> Option<Alter<'c, 'a>> {
    if !matches!(context.kind, StatementKind::AlterTable { .. }) || !context.has(0, &["ALTER", "TABLE"]) {
        return None;
    }
    let after = context.skip(2, &["IF", "EXISTS"]);
    let at = context.skip(after, &["ONLY"]);
    let only = at > after;
    let (name, end) = context.name(at)?;
    let table = context.relation(&name)?;
    let of_rows = matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable);
    // `ONLY` means nothing where there is nothing below.
    if !of_rows || only && context.has_heirs(table.oid) {
        return None;
    }
    let mut actions = Vec::new();
    let mut start = end;
    for place in end..context.words.len() {
        if context.words[place].depth == 0 && context.sign(place, ",") {
            actions.push(start..place);
            start = place + 1;
        }
    }
    actions.push(start..context.words.len());
    (actions.iter().all(|action| !action.is_empty())).then_some(Alter {
        context,
        table,
        spelled: context.text(at..end)?,
        actions,
    })
}

impl<'a> Alter<'_, 'a> {
    /// A statement with one action.
    fn statement(&self, action: &str) -> String {
        format!("ALTER TABLE {} {action}", self.spelled)
    }

    /// Columns and constraints of the table that an action names, or could be taken to name.
    pub fn names(&self, action: &Range<usize>) -> BTreeSet<String> {
        let context = self.context;
        let known = |name: &String| {
            context.column(self.table.oid, name).is_some()
                || context.column_before(self.table.oid, name).is_some()
                || self.has_constraint(name)
        };
        (action.start..action.end).filter_map(|at| context.identifier(at)).filter(known).collect()
    }

    fn has_constraint(&self, name: &str) -> bool {
        let all = self.context.before.constraints.values().chain(self.context.after.constraints.values());
        all.into_iter().any(|each| each.table == Some(self.table.oid) && each.name == name)
    }

    /// `CONSTRAINT name` at a place, as it is spelled, and where it ends.
    pub fn constraint_name(&self, at: usize) -> Option<(Option<&'a str>, usize)> {
        if !self.context.has(at, &["CONSTRAINT"]) {
            return Some((None, at));
        }
        self.context.identifier(at + 1)?;
        Some((Some(self.context.words[at + 1].text), at + 2))
    }
}

/// Whether what is taken out of the statement does not depend on what stays, nor on what else is taken out.
fn independent(alter: &Alter<'_, '_>, staying: &[&Range<usize>], parts: &[(&Range<usize>, Part)]) -> bool {
    let names: Vec<BTreeSet<String>> = parts.iter().map(|(action, _)| alter.names(action)).collect();
    // A column that is added first of all is there for whatever needs it.
    let adds = |action: &Range<usize>| {
        alter.context.has(action.start, &["ADD"]) && !alter.context.has(action.start, &["ADD", "CONSTRAINT"])
    };
    let apart = staying
        .iter()
        .filter(|action| !adds(action))
        .all(|action| names.iter().all(|own| own.is_disjoint(&alter.names(action))));
    // A key another action may need, or columns it fills.
    let needed = |part: &Part| !part.outside.is_empty();
    let pairs = (0..parts.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let mut pairs = pairs.filter(|(one, other)| needed(&parts[*one].1) || needed(&parts[*other].1));
    apart && pairs.all(|(one, other)| names[one].is_disjoint(&names[other]))
}

/// All parts of a statement, phase by phase, behind the actions it begins with.
fn together(alter: &Alter<'_, '_>, opening: &[(String, &'static str)], parts: &[Part]) -> Vec<Draft> {
    use StepTransaction::{Outside, Own, Together};
    let mut drafts = Vec::new();
    if let Some((_, first)) = opening.first() {
        let actions: Vec<&str> = opening.iter().map(|(action, _)| action.as_str()).collect();
        let why = opening.iter().map(|(_, why)| *why).find(|why| *why != STAYS).unwrap_or(first);
        drafts.push(Draft::blocking(alter.statement(&actions.join(", ")), Together, why));
    }
    for (action, why) in parts.iter().flat_map(|part| &part.then) {
        drafts.push(Draft::blocking(alter.statement(action), Together, why));
    }
    for (sql, why) in parts.iter().flat_map(|part| &part.outside) {
        drafts.push(Draft::new(sql.clone(), Outside, why));
    }
    let lates: Vec<&(String, &str)> = parts.iter().flat_map(|part| &part.late).collect();
    if let Some((_, why)) = lates.first() {
        let actions: Vec<&str> = lates.iter().map(|(action, _)| action.as_str()).collect();
        drafts.push(Draft::blocking(alter.statement(&actions.join(", ")), Own, why));
    }
    for name in parts.iter().flat_map(|part| &part.validate) {
        drafts.push(Draft::new(alter.statement(&format!("VALIDATE CONSTRAINT {name}")), Own, VALIDATE));
    }
    let finish = parts.iter().flat_map(|part| &part.finish).chain(parts.iter().flat_map(|part| &part.clean));
    for (step, (action, why)) in finish.enumerate() {
        let transaction = if step == 0 { Own } else { Together };
        drafts.push(Draft::blocking(alter.statement(action), transaction, why));
    }
    drafts
}

/// Actions that change a row of the catalog and look at no row of the table.
fn stays(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    let context = alter.context;
    let at = action.start;
    if context.has(at, &["ALTER"]) {
        let column = context.skip(at + 1, &["COLUMN"]);
        context.identifier(column)?;
        let light: [&[&str]; 4] =
            [&["SET", "DEFAULT"], &["DROP", "DEFAULT"], &["DROP", "NOT", "NULL"], &["SET", "STATISTICS"]];
        return light.iter().any(|words| context.has(column + 1, words)).then_some(Action::Stays);
    }
    let drops = context.has(at, &["DROP"]) && !context.words[action.clone()].iter().any(|word| word.is("CASCADE"));
    drops.then_some(Action::Stays)
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    fn shop() -> Db {
        Db::default()
            .table(1, "public", "orders")
            .column(1, 1, "id", "bigint")
            .column(1, 2, "total", "integer")
            .column(1, 3, "note", "text")
    }

    #[test]
    fn several_actions_share_what_is_short_and_are_validated_one_by_one() {
        let db = shop().new_constraint(9, 1, "orders_note_check", 'c', &["note"]);
        let plain = "ALTER TABLE ONLY orders ADD COLUMN state text DEFAULT 'new', ADD CONSTRAINT paid CHECK (total > 0), \
                     ADD CHECK (note <> ''), ALTER note SET DEFAULT '-'";
        assert!(db.found(plain, &["lock/full-scan"], &[1]).is_empty(), "`note` is needed by two actions");
        let plain = plain.replace(", ALTER note SET DEFAULT '-'", ", ALTER id SET DEFAULT 1");
        let written = db.found(&plain, &["lock/full-scan", "lock/no-timeout"], &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: SET LOCAL lock_timeout = '5s'",
                "together: ALTER TABLE orders ADD COLUMN state text DEFAULT 'new', ADD CONSTRAINT paid CHECK (total > 0) NOT VALID, \
                 ADD CONSTRAINT orders_note_check CHECK (note <> '') NOT VALID, ALTER id SET DEFAULT 1",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT paid",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT orders_note_check",
            ]
        );
        assert_eq!(written[0].answers, ["lock/full-scan", "lock/no-timeout"]);
    }

    #[test]
    fn a_statement_with_an_action_that_is_not_understood_is_left_alone() {
        for action in [
            "ALTER COLUMN total TYPE bigint",
            "SET (fillfactor = 70)",
            "DROP COLUMN id CASCADE",
            "ADD COLUMN x int GENERATED ALWAYS AS (1) STORED",
            "ADD CONSTRAINT e EXCLUDE USING gist (id WITH =)",
        ] {
            let plain = format!("ALTER TABLE orders ADD CONSTRAINT paid CHECK (total > 0), {action}");
            assert!(shop().found(&plain, &["lock/full-scan"], &[1]).is_empty(), "{action}");
        }
        let heirs = shop().table(2, "public", "orders_old").heir(2, 1);
        let only = "ALTER TABLE ONLY orders ADD CONSTRAINT paid CHECK (total > 0) NO INHERIT";
        assert!(heirs.found(only, &["lock/full-scan"], &[1]).is_empty());
    }
}
