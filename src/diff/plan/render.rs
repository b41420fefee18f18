//! A plan diff for people: one sentence, then the tree with what is unchanged folded away.

use super::Seen;
use super::align::{Alignment, Line, Row, is_turned, lines, rows};
use super::node::{Condition, conditions, index_names, label, numbers, own_blocks, table};
use super::reader::Reader;
use super::sentence::{Story, sentence};
use crate::report::visible::{clip, columns, visible};
use crate::snapshot::plan::QueryPlan;

/// Whether values of user data may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Every literal is `?`.
    Redacted,
    /// As the server deparsed them.
    Shown,
}

/// Longest line of a tree, in columns of a terminal.
const WIDTH: usize = 160;
/// What a terminal of 80 columns shows of a line in a report.
const NARROW: usize = 74;

/// One sentence naming table, old and new access and work, then the aligned tree: `-` before, `+` after, `~` the same
/// node with other work; subtrees that are the same and do the same work are folded into one line. Nothing in it moves
/// a cursor, and no name breaks a line.
pub fn render_diff(before: Seen<'_>, after: Seen<'_>, values: Values) -> String {
    render_story(before, after, values, &Story::default())
}

/// The same with what is known about the cause.
pub fn render_story(before: Seen<'_>, after: Seen<'_>, values: Values, story: &Story) -> String {
    let mut text = sentence(before, after, story);
    if let (Some(old), Some(new)) = (before.captured().plan(), after.captured().plan()) {
        text.push('\n');
        text.push_str(&tree((old, before), (new, after), values));
    }
    text
}

/// A rendered diff, taken apart: its sentence, if it has one, and the lines of its tree, which begin with a mark.
pub fn parts(text: &str) -> (Option<&str>, &str) {
    if text.starts_with([' ', '-', '+', '~']) {
        return (None, text);
    }
    let (sentence, tree) = text.split_once('\n').unwrap_or((text, ""));
    (Some(sentence), tree)
}

fn tree((old, before): (&QueryPlan, Seen<'_>), (new, after): (&QueryPlan, Seen<'_>), values: Values) -> String {
    let (old_reader, new_reader) = Reader::pair((old, before.names), (new, after.names));
    let (old_shown, new_shown) = match values {
        Values::Redacted => (old.redacted(), new.redacted()),
        Values::Shown => (old.clone(), new.clone()),
    };
    let picture = Picture {
        before: Side { lines: lines(&old_shown.root, &old_reader), reader: &old_reader },
        after: Side { lines: lines(&new_shown.root, &new_reader), reader: &new_reader },
    };
    picture.text()
}

/// One of both plans.
pub(super) struct Side<'a> {
    pub lines: Vec<Line<'a>>,
    pub reader: &'a Reader<'a>,
}

impl Side<'_> {
    fn label(&self, at: usize) -> String {
        label(&self.lines[at], self.reader)
    }

    fn conditions(&self, at: usize, definitions: bool) -> Vec<Condition> {
        conditions(&self.lines[at], self.reader, definitions)
    }

    /// Name of what it reads, and of the indexes it goes through.
    fn names(&self, at: usize) -> (Option<String>, Vec<String>) {
        let node = self.lines[at].node();
        (table(node, self.reader), index_names(node, self.lines[at].nodes.len() > 1, self.reader))
    }
}

/// Both, to be told which line is which.
pub(super) struct Picture<'a> {
    pub before: Side<'a>,
    pub after: Side<'a>,
}

impl Picture<'_> {
    fn text(&self) -> String {
        let alignment = Alignment::of(&self.before.lines, &self.after.lines);
        let rows = rows(&self.before.lines, &self.after.lines, &alignment);
        let mut page = Page::default();
        // A line before that is shown already, as what is now under new nodes.
        let mut shown = None;
        let mut at = 0;
        while at < rows.len() {
            let row = rows[at];
            let mut folded = 0;
            match (row.before, row.after) {
                (Some(old), Some(new)) if self.is_alike(old, new) => {
                    folded = self.unchanged_below(&rows, at);
                    self.alike(&mut page, row.depth, (old, new), &alignment, folded);
                }
                (Some(old), Some(new)) => {
                    if shown != Some(old) {
                        self.gone(&mut page, row, (old, new));
                    }
                    self.come(&mut page, row.depth, (old, new), &alignment);
                }
                (Some(old), None) => self.alone(&mut page, '-', row.depth, &self.before, old),
                (None, Some(new)) => {
                    if let Some((below, pair)) = self.wrapped(&rows[at..]).filter(|(_, (old, _))| shown != Some(*old)) {
                        self.gone(&mut page, below, pair);
                        shown = Some(pair.0);
                    }
                    self.alone(&mut page, '+', row.depth, &self.after, new);
                }
                (None, None) => {}
            }
            at += 1 + folded;
        }
        page.text()
    }

    pub(super) fn is_alike(&self, old: usize, new: usize) -> bool {
        self.before.lines[old].signature == self.after.lines[new].signature
    }

    /// Of new nodes, one below the other: the changed node below them, if it stood where the first one stands.
    fn wrapped(&self, rows: &[Row]) -> Option<(Row, (usize, usize))> {
        let new = rows.iter().take_while(|row| row.before.is_none()).count();
        let straight = rows
            .windows(2)
            .take(new)
            .all(|pair| pair[1].after.is_some_and(|below| self.after.lines[below].parent == pair[0].after));
        let below = rows.get(new).filter(|below| straight && below.depth_before == rows[0].depth)?;
        let pair = (below.before?, below.after?);
        let replaced = !self.is_alike(pair.0, pair.1) && self.before.label(pair.0) != self.after.label(pair.1);
        replaced.then_some((*below, pair))
    }

    fn alone(&self, page: &mut Page, mark: char, depth: usize, side: &Side<'_>, at: usize) {
        page.push_node((mark, depth), &side.label(at), &numbers(None, &side.lines[at]), None);
        for condition in side.conditions(at, false) {
            page.push(mark, depth + 1, &format!("{}: {}", condition.name, condition.shown));
        }
    }

    /// A node that does the same as before.
    fn alike(&self, page: &mut Page, depth: usize, (old, new): (usize, usize), alignment: &Alignment, folded: usize) {
        let mut details = numbers(Some(&self.before.lines[old]), &self.after.lines[new]);
        let notes = self.former_names(old, new) + &self.place(old, new, alignment);
        details.push_str(&notes);
        match folded {
            0 => {}
            1 => details.push_str("  … 1 node below unchanged"),
            several => details.push_str(&format!("  … {several} nodes below unchanged")),
        }
        let mark = if self.place(old, new, alignment).is_empty() && self.is_quiet(old, new) { ' ' } else { '~' };
        let context = mark == ' ' && notes.is_empty();
        page.push_node((mark, depth), &self.after.label(new), &details, context.then_some(1 + folded));
    }

    /// What a changed node was, unless it is still called the same.
    fn gone(&self, page: &mut Page, row: Row, (old, new): (usize, usize)) {
        let label = self.before.label(old);
        if label != self.after.label(new) {
            page.push('-', row.depth_before, &label);
            self.lost(page, row.depth_before, (old, new), false);
        }
    }

    /// Conditions a changed node has no more.
    fn lost(&self, page: &mut Page, depth: usize, (old, new): (usize, usize), definitions: bool) {
        let come = self.after.conditions(new, definitions);
        for condition in self.before.conditions(old, definitions).iter().filter(|condition| !is_in(condition, &come)) {
            page.push('-', depth + 1, &format!("{}: {}", condition.name, condition.shown));
        }
    }

    /// What a changed node is now, with the conditions it did not have.
    fn come(&self, page: &mut Page, depth: usize, (old, new): (usize, usize), alignment: &Alignment) {
        let label = self.after.label(new);
        let details = numbers(Some(&self.before.lines[old]), &self.after.lines[new]);
        let details = details + &self.place(old, new, alignment);
        let same_label = label == self.before.label(old);
        page.push_node((if same_label { '~' } else { '+' }, depth), &label, &details, None);
        if same_label {
            self.lost(page, depth, (old, new), true);
        }
        let gone = self.before.conditions(old, same_label);
        for condition in self.after.conditions(new, same_label).iter().filter(|condition| !is_in(condition, &gone)) {
            page.push('+', depth + 1, &format!("{}: {}", condition.name, condition.shown));
        }
    }

    /// What became of the order of its inputs, and of the node it is an input of.
    pub(super) fn place(&self, old: usize, new: usize, alignment: &Alignment) -> String {
        let mut notes = String::new();
        if is_turned(&self.before.lines, &self.after.lines, (old, new), alignment) {
            notes.push_str("  (inputs swapped)");
        }
        if self.is_moved((old, new), alignment) {
            notes.push_str("  (moved)");
        }
        notes
    }

    /// What is only called something else.
    fn former_names(&self, old: usize, new: usize) -> String {
        let ((relation, indexes), (now, now_indexes)) = (self.before.names(old), self.after.names(new));
        let mut former: Vec<String> =
            relation.filter(|was| now.as_ref().is_some_and(|now| now != was)).into_iter().collect();
        former.extend(indexes.into_iter().filter(|was| !now_indexes.contains(was)));
        let (partitions, now) = (self.before.lines[old].nodes.len(), self.after.lines[new].nodes.len());
        if partitions != now {
            former.push(if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") });
        }
        if former.is_empty() { String::new() } else { format!("  (was {})", former.join(", ")) }
    }

    /// Same node, and its work differs by nothing worth a look.
    pub(super) fn is_quiet(&self, old: usize, new: usize) -> bool {
        let (before, after) = (&self.before.lines[old], &self.after.lines[new]);
        let (was, now) = (own_blocks(before), own_blocks(after));
        let noisy = was.abs_diff(now) >= 100 && was.max(now) as f64 >= 1.5 * was.min(now) as f64;
        before.signature == after.signature && !noisy
    }

    /// Whether it stands below another node, added and removed ones aside.
    fn is_moved(&self, (old, new): (usize, usize), alignment: &Alignment) -> bool {
        let above = |lines: &[Line<'_>], partners: &[Option<usize>], at: usize| {
            std::iter::successors(lines[at].parent, |parent| lines[*parent].parent)
                .find(|parent| partners[*parent].is_some())
        };
        let before = above(&self.before.lines, &alignment.after, old).and_then(|parent| alignment.after[parent]);
        before != above(&self.after.lines, &alignment.before, new)
    }

    /// How many rows after this one belong to its subtree, if all of it is unchanged on both sides.
    fn unchanged_below(&self, rows: &[Row], at: usize) -> usize {
        let (Some(old), Some(new)) = (rows[at].before, rows[at].after) else { return 0 };
        let below = self.after.lines[new].below;
        let same = |offset: usize| {
            let (old, new) = (old + offset, new + offset);
            rows.get(at + offset).is_some_and(|row| row.before == Some(old) && row.after == Some(new))
                && self.is_quiet(old, new)
                && self.former_names(old, new).is_empty()
        };
        let all = self.before.lines[old].below == below && self.is_quiet(old, new) && (1..=below).all(same);
        if all { below } else { 0 }
    }
}

fn is_in(condition: &Condition, others: &[Condition]) -> bool {
    others.iter().any(|other| other.name == condition.name && other.comparable == condition.comparable)
}

/// Lines around a change that are shown although nothing about them changed.
const CONTEXT: usize = 2;

/// The finished lines, before far-off unchanged ones are left out.
#[derive(Default)]
struct Page {
    lines: Vec<PageLine>,
}

struct PageLine {
    text: String,
    depth: usize,
    /// How many unchanged nodes the line stands for; `None` where there is something to see.
    context: Option<usize>,
}

impl Page {
    fn push(&mut self, mark: char, depth: usize, text: &str) {
        let line = format!("{mark} {}{text}", "  ".repeat(depth));
        self.lines.push(PageLine { text: line, depth, context: None });
    }

    /// A node and its numbers. Where something changed they get a line of their own if a narrow terminal would cut
    /// them off.
    fn push_node(&mut self, (mark, depth): (char, usize), label: &str, details: &str, context: Option<usize>) {
        let one_line = 2 + 2 * depth + columns(&visible(label)) + columns(&visible(details)) <= NARROW;
        if one_line || context.is_some() {
            let text = format!("{mark} {}{label}{details}", "  ".repeat(depth));
            self.lines.push(PageLine { text, depth, context });
        } else {
            self.push(mark, depth, label);
            self.push(mark, depth + 1, details.trim_start());
        }
    }

    /// The first line, what changed and what is around it; longer stretches of the rest are counted.
    fn text(&self) -> String {
        let near = |at: usize| {
            let around = &self.lines[at.saturating_sub(CONTEXT)..self.lines.len().min(at + CONTEXT + 1)];
            at == 0 || around.iter().any(|line| line.context.is_none())
        };
        let mut text = String::new();
        let mut show = |line: &str| {
            text.push_str(clip(visible(line).trim_end(), WIDTH).as_ref());
            text.push('\n');
        };
        let mut at = 0;
        while at < self.lines.len() {
            let far = (at..self.lines.len()).take_while(|line| !near(*line)).count();
            let nodes: usize = self.lines[at..at + far].iter().filter_map(|line| line.context).sum();
            if far > 1 && nodes > 1 {
                show(&format!("  {}… {nodes} nodes unchanged", "  ".repeat(self.lines[at].depth)));
                at += far;
            } else {
                show(&self.lines[at].text);
                at += 1;
            }
        }
        text
    }
}
