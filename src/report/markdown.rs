//! The report for a pull request: Markdown that every forge shows alike, worst first, within a budget of bytes.
//!
//! Names, SQL and messages are text here, whatever they hold: no markup, no mentions, no links.

use super::v1::{Finding, Outcome, Report};
use super::view::{self, Tone};
use super::visible::{clip, visible, visible_lines};
use super::{RenderOptions, v1};
use super::{each, human, measured};
use crate::diff::plan::render;

/// What the strictest forge accepts in one comment, with a margin.
pub const BYTE_BUDGET: usize = 65_000;

/// The fewest bytes that hold the four answers, and the last line.
pub const LEAST: usize = 2_000;

/// Room kept for the last line.
const TAIL: usize = 320;
/// Sections that are named where they are left out, and columns of one name.
const SECTIONS_NAMED: usize = 3;
const SECTION_NAME: usize = 40;
/// Bytes below which the beginning of a section is not worth its place.
const LEAST_SECTION: usize = 1_000;

/// Characters of one message, summary or advice.
const PROSE: usize = 1_200;
/// Characters of one name or line of code.
const NAME: usize = 300;
/// Hot queries, and things to do, for who is paged.
const PAGED: usize = 5;
/// Lines of one plan diff.
const CODE_LINES: usize = 120;
/// Lines, and bytes of one, of a script that is shown.
const SCRIPT_LINES: usize = 400;
const SCRIPT_COLUMNS: usize = 2_000;

/// Renders within `options.byte_budget` bytes (never less than [`LEAST`]).
pub fn render(report: &Report, options: &RenderOptions) -> String {
    let mut page = Page { out: String::new(), budget: options.byte_budget.max(LEAST) - TAIL };
    let mut missing = Missing::default();
    head(&mut page, report);
    paged(&mut page, report, options);
    missing.migrations = migrations(&mut page, report);
    missing.findings = findings(&mut page, report);
    for (title, body) in details(report, options) {
        if !page.push_section(&title, &body) {
            missing.sections.push(title);
        }
    }
    page.out.push_str(&missing.sentence());
    page.out
}

/// What did not fit.
#[derive(Default)]
struct Missing {
    migrations: usize,
    findings: usize,
    /// By their titles.
    sections: Vec<String>,
}

impl Missing {
    fn sentence(&self) -> String {
        let counted = [(self.findings, "finding"), (self.migrations, "migration")];
        let mut parts: Vec<String> = counted
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, noun)| human::more(number, noun))
            .collect();
        let named = self.sections.iter().take(SECTIONS_NAMED);
        parts.extend(named.map(|title| format!("\"{}\"", clip(&text(title), SECTION_NAME))));
        let others = self.sections.len().saturating_sub(SECTIONS_NAMED);
        parts.extend((others > 0).then(|| human::more(others, "section")));
        if parts.is_empty() { String::new() } else { format!("\n_{} in the full report._\n", human::list(&parts)) }
    }
}

struct Page {
    out: String,
    budget: usize,
}

impl Page {
    /// Adds a block as a whole, or says that it does not fit.
    fn push(&mut self, block: &str) -> bool {
        let fits = self.out.len() + block.len() <= self.budget;
        if fits {
            self.out.push_str(block);
        }
        fits
    }
}

impl Page {
    /// Adds a section to fold, as many lines of it as fit. False where hardly any do, and for a script, of which a part is
    /// worse than nothing.
    fn push_section(&mut self, title: &str, body: &str) -> bool {
        let head = format!("\n<details><summary>{}</summary>\n\n", text(title));
        let end = "\n</details>\n";
        if self.push(&format!("{head}{body}{end}")) {
            return true;
        }
        let room = self.budget.saturating_sub(self.out.len() + head.len() + end.len());
        if room < LEAST_SECTION || title.ends_with(".sql") {
            return false;
        }
        let (kept, lines) = beginning(body, room);
        self.push(&format!("{head}{kept}\n_{} in the full report._\n{end}", human::more(lines, "line")))
    }
}

/// The first lines of a body within so many bytes, with its last block of code closed, and how many lines are left.
fn beginning(body: &str, room: usize) -> (String, usize) {
    let mut kept = String::new();
    let mut fence: Option<&str> = None;
    for (position, line) in body.lines().enumerate() {
        let closing = fence.map_or(0, |fence| fence.len() + 1);
        if kept.len() + line.len() + 1 + closing + TAIL > room {
            if let Some(fence) = fence {
                kept.push_str(fence);
                kept.push('\n');
            }
            return (kept, body.lines().count() - position);
        }
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if line == open => fence = None,
            None if ticks >= 3 => fence = Some(&line[..ticks]),
            _ => {}
        }
        kept.push_str(line);
        kept.push('\n');
    }
    (kept, 0)
}

/// Prose in which nothing is markup.
pub fn text(raw: &str) -> String {
    let shown = visible(raw);
    let shown = clip(&shown, PROSE);
    let mut out = String::with_capacity(shown.len() + 16);
    let mut previous = ' ';
    let mut characters = shown.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let inside_word = previous.is_alphanumeric() && next.is_alphanumeric();
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '_' if inside_word => out.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(character);
            }
            // Mentions and references are found after the markup is gone: only an invisible character parts them.
            '@' | '#' if next.is_alphanumeric() => {
                out.push(character);
                out.push_str("&#8203;");
            }
            // Addresses become links by themselves.
            ':' if next == '/' => out.push_str("&#58;"),
            '.' if previous.eq_ignore_ascii_case(&'w') => out.push_str("&#46;"),
            other => out.push(other),
        }
        previous = character;
    }
    out
}

/// Code within a line: a fence longer than any it holds.
pub fn code(raw: &str) -> String {
    let shown = visible(raw);
    let shown = clip(&shown, NAME);
    if shown.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&shown) + 1);
    let space = if shown.starts_with('`') || shown.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{shown}{space}{fence}")
}

/// Code in a cell of a table. A bar parts cells even inside code, and there is no escape for it that also holds after a
/// backslash: such a name is written as prose.
fn cell_code(raw: &str) -> String {
    if raw.contains('|') { text(raw) } else { code(raw) }
}

/// A block of code, cut after so many lines.
fn code_block(language: &str, raw: &str) -> String {
    let lines: Vec<String> = visible_lines(raw).map(|line| clip(&line, NAME).into_owned()).collect();
    let shown = lines.len().min(CODE_LINES);
    let mut body = lines[..shown].join("\n");
    if shown < lines.len() {
        body.push_str(&format!("\n… {}", human::more(lines.len() - shown, "line")));
    }
    let fence = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{fence}{language}\n{body}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

fn head(page: &mut Page, report: &Report) {
    let tone = Tone::from(report.verdict);
    let title = format!("## {} Seatrial: {} ({})\n", tone.mark(), report.verdict.name(), view::tally(report));
    page.push(&title);
    page.push(&format!("\n{}.\n", text(&view::rehearsed(report))));
    if !report.complete {
        page.push("\n**? The run did not get to its end.** What is missing here is unknown, not fine.\n");
    }
    page.push("\n| question | answer | |\n|---|---|---|\n");
    for answer in view::answers(report) {
        let (mark, word) = (answer.tone.mark(), answer.word);
        page.push(&format!("| {} | {mark} **{word}** | {} |\n", answer.question, text(answer.summary)));
    }
}

/// Whose query suffers, what to do, and the way back: the most urgent ones only, all of them are among the findings.
fn paged(page: &mut Page, report: &Report, options: &RenderOptions) {
    let Some(paged) = view::paged::paged(report, options.out_dir.as_deref()) else { return };
    let mut block = format!("\n**{}**\n\n", view::paged::HEADING);
    for query in paged.queries.iter().take(PAGED) {
        let owner = query.owner.map_or_else(|| "no owner".to_owned(), |owner| format!("owner {}", text(owner)));
        let mark = query.tone.mark();
        block.push_str(&format!("- {mark} {} ({owner}): {}\n", code(query.name), text(&query.expected)));
    }
    let hidden = paged.queries.len().saturating_sub(PAGED);
    if hidden > 0 {
        block.push_str(&format!("- {} among the findings\n", human::more(hidden, "query")));
    }
    for step in paged.steps.iter().take(PAGED) {
        // A statement that is cut is worse than none.
        let sql = step.sql.as_deref().filter(|sql| sql.len() <= NAME);
        let sql = sql.map(|sql| format!(": {}", code(sql))).unwrap_or_default();
        block.push_str(&format!("- → {}{sql}\n", text(&step.text)));
    }
    let hidden = paged.steps.len().saturating_sub(PAGED);
    if hidden > 0 {
        block.push_str(&format!("- {} among the findings\n", human::more(hidden, "step")));
    }
    let command = paged.undo.command.as_deref().map(|command| format!("{}: ", code(command))).unwrap_or_default();
    block.push_str(&format!("- ← {command}{}\n", text(&paged.undo.text)));
    page.push(&block);
}

/// How many rows did not fit. Half of the budget stays for what follows.
fn migrations(page: &mut Page, report: &Report) -> usize {
    if report.migrations.is_empty() {
        return 0;
    }
    page.push(&format!("\n| migration | {} |\n|---|---|---|---|---|\n", view::MIGRATION_COLUMNS.join(" | ")));
    for (position, migration) in report.migrations.iter().enumerate() {
        let cells = view::migration_cells(migration).map(|(tone, word)| format!("{} {word}", tone.mark()));
        let row = format!("| {} | {} |\n", cell_code(&view::migration_label(migration)), cells.join(" | "));
        if page.out.len() + row.len() > page.budget / 2 || !page.push(&row) {
            return report.migrations.len() - position;
        }
    }
    0
}

/// How many findings did not fit.
fn findings(page: &mut Page, report: &Report) -> usize {
    let findings = view::findings(report, false);
    if findings.is_empty() {
        return 0;
    }
    page.push("\n### Findings\n\n");
    for (position, finding) in findings.iter().enumerate() {
        if !page.push(&one_finding(report, finding)) {
            return findings.len() - position;
        }
    }
    0
}

fn one_finding(report: &Report, finding: &Finding) -> String {
    let mark = Tone::from(finding.severity).mark();
    let mut out = format!("- {mark} **{}** {}", finding.severity.name(), code(&finding.id));
    if finding.confidence == v1::Confidence::Predicted {
        out.push_str(" (predicted)");
    }
    if let Some(place) = view::location(finding) {
        out.push_str(&format!(" at {}", code(&place)));
    }
    // Two spaces hold what follows in the list's item; a paragraph cannot begin a block of another kind after them,
    // because it begins with a word of ours.
    if !finding.message.is_empty() {
        out.push_str(&format!("<br>\n  Seen: {}", text(&finding.message)));
    }
    if let Some(statement) = view::statement_of(report, finding) {
        let sql = code(&view::sql_line(&statement.sql, 120));
        if !sql.is_empty() {
            out.push_str(&format!("<br>\n  In: {sql}"));
        }
    }
    if !finding.advice.is_empty() {
        out.push_str(&format!("<br>\n  Instead: {}", text(&finding.advice)));
    }
    if let Some(suggestion) = view::trials::suggestion(report, finding) {
        out.push_str(&format!("<br>\n  {}", text(&suggestion.text)));
        if !suggestion.sql.is_empty() {
            // Within the list's item.
            let block = code_block("sql", &suggestion.sql.join("\n"));
            let lines: Vec<String> = block.lines().map(|line| format!("  {line}")).collect();
            out.push_str(&format!("\n\n{}", lines.join("\n")));
        }
    }
    out.push('\n');
    out
}

/// Sections to fold, most wanted first.
fn details(report: &Report, options: &RenderOptions) -> Vec<(String, String)> {
    let mut sections = Vec::new();
    sections.extend(refusals(report).map(|body| (view::refusals_heading(report).to_owned(), body)));
    sections.extend(queries(report));
    sections.extend(trials(report));
    sections.extend(writes(report));
    sections.extend(indexes(report));
    sections.extend(locks(report).map(|body| ("Locks that make reads or writes wait".to_owned(), body)));
    sections.push(rollback(report, options));
    sections.push(("What this rests on".to_owned(), assumptions(report)));
    let scripts = report.rollback.scripts.files();
    sections.extend(scripts.map(|(name, script)| (name.to_owned(), whole_script(script))));
    sections
}

/// A script as it is, or no part of it: what is cut before its COMMIT must not look as if it could be run.
fn whole_script(script: &str) -> String {
    let lines = script.lines().count();
    // A carriage return at a line's end is part of the script, and nobody would see it.
    let mut each = script.trim_end_matches('\n').split('\n');
    if lines > SCRIPT_LINES || each.any(|line| visible(line) != line || line.len() > SCRIPT_COLUMNS) {
        return format!("It has {}: see the full report.\n", human::plural(lines, "line"));
    }
    let fence = "`".repeat(longest_run(script).max(2) + 1);
    format!("{fence}sql\n{}\n{fence}\n", script.trim_end())
}

fn refusals(report: &Report) -> Option<String> {
    let refused = view::statements(report).filter(|statement| statement.outcome == Outcome::Failed);
    let body: String = refused
        .map(|statement| {
            format!("{}\n\n{}", statement_line(report, statement), code_block("", &view::refusal(statement)))
        })
        .collect();
    (!body.is_empty()).then_some(body)
}

fn statement_line(report: &Report, statement: &v1::Statement) -> String {
    let label = code(&view::statement_label(report, statement.index));
    format!("{label} at {}", code(&view::statement_place(statement)))
}

fn queries(report: &Report) -> Option<(String, String)> {
    if report.queries.is_empty() {
        return None;
    }
    let changed = view::changed_queries(report);
    let mut body = String::new();
    let mut shown: Vec<&str> = Vec::new();
    for query in &changed {
        let mark = Tone::from(query.verdict).mark();
        body.push_str(&format!("{mark} {}: {}", code(&view::query_label(query)), text(&view::query_headline(query))));
        if let Some(cause) = view::query_cause(report, query) {
            body.push_str(&format!(", since {}", code(&cause)));
        }
        if let Some(time) = measured::time_sentence(query) {
            body.push_str(&format!("; {}", text(&time)));
        }
        body.push_str("\n\n");
        if !query.plan_diff.is_empty() && !shown.contains(&query.plan_diff.as_str()) {
            shown.push(&query.plan_diff);
            let (sentence, tree) = render::parts(&query.plan_diff);
            if let Some(sentence) = sentence {
                body.push_str(&format!("{}\n\n", text(sentence)));
            }
            if !tree.is_empty() {
                body.push_str(&code_block("diff", tree));
                body.push('\n');
            }
        }
    }
    let unchanged = view::unchanged(report).unwrap_or_else(|| "No plan is unchanged".to_owned());
    body.push_str(&format!("{}.\n", text(&unchanged)));
    Some((format!("Hot queries ({} changed)", human::count(changed.len() as u64)), body))
}

/// What was tried on request.
fn trials(report: &Report) -> Vec<(String, String)> {
    let told = view::trials::sections(report).into_iter().map(|section| {
        let mut body = String::new();
        for row in &section.rows {
            body.push_str(&format!("{} {}\n\n", row.tone.mark(), text(&row.text)));
            if !row.sql.is_empty() {
                body.push_str(&format!("{}\n", code_block("sql", &row.sql.join("\n"))));
            }
            if let Some(timeline) = &row.timeline {
                body.push_str(&format!("{}\n", code_block("", timeline)));
            }
        }
        (section.heading.to_owned(), body)
    });
    told.collect()
}

fn writes(report: &Report) -> Option<(String, String)> {
    let rows = measured::write_rows(report);
    if rows.is_empty() {
        return None;
    }
    let mut body = "| query | WAL | index entries | HOT updates |\n|---|---|---|---|\n".to_owned();
    for row in &rows {
        let cell = |at: usize| row.cells.get(at).map(|cell| text(cell)).unwrap_or_default();
        body.push_str(&format!("| {} | {} | {} | {} |\n", cell_code(&row.label), cell(0), cell(1), cell(2)));
    }
    body.push_str(&format!("\n{}\n", text(measured::WRITES_FOOTNOTE)));
    Some(("What writes pay".to_owned(), body))
}

fn indexes(report: &Report) -> Option<(String, String)> {
    if report.indexes.is_empty() {
        return None;
    }
    let mut body = String::new();
    for index in &report.indexes {
        let mark = view::index_tone(report, index).mark();
        body.push_str(&format!(
            "{mark} {}, {}\n\n",
            text(&view::index_headline(index)),
            text(&view::index_usage(index))
        ));
        if let Some(price) = measured::index_price(report, index) {
            body.push_str(&format!("{}\n\n", text(&price)));
        }
        let lines = view::index_definitions(index).into_iter().map(|(sign, sql)| format!("{sign} {}", visible(sql)));
        let definitions = lines.collect::<Vec<_>>().join("\n");
        if !definitions.is_empty() {
            body.push_str(&code_block("diff", &definitions));
            body.push('\n');
        }
    }
    Some((format!("Indexes ({} changed)", human::count(report.indexes.len() as u64)), body))
}

fn locks(report: &Report) -> Option<String> {
    let mut body = String::new();
    for statement in view::statements(report) {
        let mut lines = view::lock_lines(statement, false);
        if lines.is_empty() {
            continue;
        }
        lines.extend(view::work_lines(statement));
        body.push_str(&format!("- {}\n", statement_line(report, statement)));
        lines.iter().for_each(|line| body.push_str(&format!("  - {}\n", text(line))));
    }
    (!body.is_empty()).then_some(body)
}

fn rollback(report: &Report, options: &RenderOptions) -> (String, String) {
    let rollback = &report.rollback;
    let verdict = view::words(rollback.verdict.name());
    let mut body = format!("- {}\n", text(&view::proof_sentence(rollback)));
    if let Some(backup) = view::backup_sentence(report) {
        body.push_str(&format!("- {}\n", text(&backup)));
    }
    for loss in view::loss_sentences(report) {
        body.push_str(&format!("- {}\n", text(&loss)));
    }
    for condition in &rollback.conditions {
        body.push_str(&format!("- condition: {}\n", text(condition)));
    }
    for difference in &rollback.differences {
        body.push_str(&format!("- differs: {}\n", text(difference)));
    }
    if let Some(folder) = &options.out_dir {
        body.push_str(&format!("- the scripts are in {}\n", code(folder)));
    }
    if let Some(place) = each::place(report, options.out_dir.as_deref()) {
        body.push_str(&format!("- {}\n", text(&place)));
    }
    for sentence in each::sentences(report).into_iter().chain(each::downs(report)) {
        body.push_str(&format!("- {}\n", text(&sentence)));
    }
    (format!("Rollback: {} {verdict}", Tone::from(rollback.verdict).mark()), body)
}

fn assumptions(report: &Report) -> String {
    let mut body = String::new();
    let mut last = "";
    for (name, sentence) in view::assumptions(report) {
        last = if name.is_empty() { last } else { name };
        body.push_str(&format!("- {last}: {}\n", text(&sentence)));
    }
    for warning in &report.source.restore_warnings {
        body.push_str(&format!("- Left out: {}\n", text(warning)));
    }
    body
}
