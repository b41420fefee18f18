//! The SQL of a finding, with line numbers, and the part the finding is about underlined.

use crate::migration::script::words::{Word, words};
use crate::report::colour::{BROWN, DIM, RED};
use crate::report::v1::{Finding, Severity, Statement};
use crate::report::visible::{clip, columns, visible_lines};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// Lines of a statement that are shown from its first one on.
const SHOWN: usize = 4;

/// Characters kept in front of what is underlined, where not all of them fit.
const LEAD: usize = 12;

/// No file has more lines.
const LAST_LINE: usize = 1 << 40;

/// Columns no line has.
const UNCUT: usize = 100_000;

/// Characters that are underlined where no name is: a longer line would be cut in its midst.
const UNDERLINED: usize = 60;

/// Characters of one statement that are looked at: one with a million rows is one, too.
const LOOKED_AT: usize = 20_000;

/// Lines of at most `width` columns; none for an empty statement.
pub(super) fn lines(statement: &Statement, finding: &Finding, width: usize, color: bool) -> Vec<String> {
    let cut: String = statement.sql.chars().take(LOOKED_AT).collect();
    let source = visible_lines(&cut).collect::<Vec<_>>().join("\n");
    if source.trim().is_empty() {
        return Vec::new();
    }
    // Whatever a saved report says, the renderer can count on from it.
    let first_number = statement.line.min(LAST_LINE);
    let last_number = first_number + source.lines().count();
    let (source, underlined) = within(&source, underlined(&source, finding), width.saturating_sub(gutter(last_number)));
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let snippet = Snippet::source(source.as_str())
        .line_start(first_number)
        .annotation(AnnotationKind::Visible.span(0..beginning(&source)))
        .annotation(AnnotationKind::Primary.span(underlined));
    let plain = Renderer::plain();
    let renderer = match color {
        true => plain.error(RED.bold()).warning(BROWN.bold()).info(DIM).line_num(DIM).none(DIM),
        false => plain,
    };
    // The lines are cut by now; the renderer would count wide characters as one column.
    let renderer = renderer.term_width(UNCUT).decor_style(DecorStyle::Unicode);
    let text = renderer.render(&[Group::with_level(level).element(snippet)]);
    // Its frame says nothing where the place stands above it.
    let frame = |line: &str| matches!(anstream::adapter::strip_str(line).to_string().trim(), "╭▸" | "╰╴");
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !frame(line)).collect()
}

/// Columns in front of the source: the largest number, and ` │ `.
fn gutter(last_number: usize) -> usize {
    last_number.to_string().len() + 3
}

/// Every line within `room` columns, and where the underlined part is then: what is in front of it goes, if need be.
fn within(source: &str, underlined: Range<usize>, room: usize) -> (String, Range<usize>) {
    let (mut out, mut found, mut at) = (String::with_capacity(source.len()), 0..0, 0);
    for line in source.split('\n') {
        let (start, end) = (at, at + line.len());
        at = end + 1;
        if !out.is_empty() || start > 0 {
            out.push('\n');
        }
        if !(start..=end).contains(&underlined.start) {
            out.push_str(&clip(line, room));
            continue;
        }
        let (from, to) = (underlined.start - start, underlined.end.min(end) - start);
        let far = columns(&line[..to]) >= room && line[..from].chars().count() > LEAD;
        let lead: String = line[..from].chars().rev().take(LEAD).collect::<Vec<_>>().into_iter().rev().collect();
        let (front, kept) = if far { ("…", &line[from - lead.len()..]) } else { ("", line) };
        let begin = out.len() + front.len() + from - (line.len() - kept.len());
        out.push_str(front);
        out.push_str(&clip(kept, room.saturating_sub(columns(front))));
        found = begin.min(out.len())..out.ceil_char_boundary((begin + to - from).min(out.len()));
    }
    (out, found)
}

/// Bytes of the lines that are shown.
fn beginning(source: &str) -> usize {
    source.split_inclusive('\n').take(SHOWN).map(str::len).sum::<usize>().min(source.trim_end().len())
}

/// The first of a finding's objects that the statement names; the beginning of its first line where it names none.
pub(in crate::report) fn underlined(source: &str, finding: &Finding) -> Range<usize> {
    let all = words(source);
    let named = finding.objects.iter().find_map(|object| find_name(&all, object));
    named.unwrap_or_else(|| {
        let start = source.len() - source.trim_start().len();
        let line = source[start..].lines().next().unwrap_or_default().trim_end();
        start..start + line.chars().take(UNDERLINED).map(char::len_utf8).sum::<usize>()
    })
}

/// Where a statement names an object: by its last name, as `note` of `public.orders.note`. A comment names nothing.
fn find_name(all: &[Word<'_>], object: &str) -> Option<Range<usize>> {
    let name = words(object).last()?.name()?;
    let word = all.iter().find(|word| word.name().as_ref() == Some(&name))?;
    Some(word.start..word.start + word.text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::v1::Report;

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_statement_holds() {
        let text = include_str!("../../../tests/recordings/regressed.json");
        let report = Report::from_json(text).expect("a report");
        let (mut statement, mut finding) = (report.migrations[0].statements[0].clone(), report.findings[0].clone());
        for sql in [
            format!("INSERT INTO t VALUES ({})", "'一二三', ".repeat(60)),
            format!("UPDATE t\n\tSET a = 1,\t\t{} target = 2", "b = 3,\t".repeat(40)),
            format!("SELECT {} target {}", "x".repeat(150), "e\u{301}".repeat(150)),
            "x".repeat(3_000),
        ] {
            statement.sql = sql;
            for object in ["public.target", "public.nowhere"] {
                finding.objects = vec![object.to_owned()];
                for width in 60..140 {
                    let lines = lines(&statement, &finding, width, false);
                    assert!(!lines.is_empty());
                    let widest = lines.iter().max_by_key(|line| columns(line)).expect("lines");
                    assert!(columns(widest) <= width, "{} in {width}: {widest}", columns(widest));
                }
            }
        }
    }

    #[test]
    fn the_part_a_finding_is_about_is_found_by_its_last_name() {
        let found = |sql: &str, object: &str| find_name(&words(sql), object).map(|range| sql[range].to_owned());
        let commented = "/* of orders, übrigens */ DELETE FROM orders -- orders\n";
        let range = find_name(&words(commented), "public.orders");
        assert_eq!(range.map(|range| range.start), commented.find("orders -- "));
        assert_eq!(found("ALTER TABLE orders DROP COLUMN Note", "public.orders.note").as_deref(), Some("Note"));
        assert_eq!(found("DROP INDEX orders_note_idx, note", "public.note").as_deref(), Some("note"));
        assert_eq!(found("DROP TABLE \"we.ird\"", "public.\"we.ird\"").as_deref(), Some("\"we.ird\""));
        assert_eq!(found("DROP INDEX orders_note_idx", "public.note"), None);
        assert_eq!(found("SELECT 1", ""), None);
    }
}
