//! The terminal's report: verdict, four answers, one row per migration, findings, then details for who wants them.

use super::colour::{self, DIM};
use super::v1::{Finding, Outcome, Report, Severity};
use super::view::{self, Tone};
use super::visible::{clip, columns, visible, visible_lines, wrap};
use super::{RenderOptions, v1};
use super::{copyable, each, human, measured};
use crate::diff::plan::render;
use anstyle::Style;

pub(super) mod snippet;

const HEADING: Style = Style::new().bold();
const PLAIN: Style = Style::new();

/// Columns that are used even where the terminal says that it has fewer.
const NARROWEST: usize = 72;
/// Columns of prose: longer lines are hard to read.
const PROSE_WIDTH: usize = 100;
/// Columns of what is one line each, such as SQL, nodes of plans and rows of a table.
const WIDEST: usize = 200;
/// Lines of one plan diff shown without `--verbose`.
const PLAN_LINES: usize = 24;
/// Columns of one message, summary or name shown without `--verbose`.
const PROSE: usize = 800;
/// In front of a finding's SQL.
const SQL_INDENT: &str = "    ";
/// Hot queries, and things to do, for who is paged.
const PAGED: usize = 3;
/// Locks of one statement, warnings of one restore and the like, shown without `--verbose`.
const LIST_LINES: usize = 5;

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => colour::GREEN,
        Tone::Caution => colour::BROWN,
        Tone::Bad => colour::RED.bold(),
        Tone::Unknown => colour::MAGENTA.bold(),
    }
}

/// Renders for a terminal of `options.width` columns.
pub fn render(report: &Report, options: &RenderOptions) -> String {
    let (width, wide) = (options.width.clamp(NARROWEST, PROSE_WIDTH), options.width.clamp(NARROWEST, WIDEST));
    let mut page = Page { width, wide, options, out: String::new() };
    verdict(&mut page, report);
    let known = view::answers(report).iter().all(|answer| answer.tone != Tone::Unknown);
    if options.quiet && report.verdict == v1::Verdict::Pass && report.complete && known {
        return page.out;
    }
    answers(&mut page, report);
    paged(&mut page, report);
    if options.quiet {
        findings(&mut page, report);
        return page.out;
    }
    migrations(&mut page, report);
    findings(&mut page, report);
    refusals(&mut page, report);
    indexes(&mut page, report);
    plans(&mut page, report);
    trials(&mut page, report);
    writes(&mut page, report);
    locks(&mut page, report);
    rollback(&mut page, report);
    assumptions(&mut page, report);
    page.out
}

/// The text so far, and how wide prose and single lines may be.
struct Page<'a> {
    width: usize,
    wide: usize,
    options: &'a RenderOptions,
    out: String,
}

impl Page<'_> {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.options.color && style != PLAIN { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.out.push('\n');
        let text = self.paint(HEADING, text);
        self.line(&text);
    }

    /// A paragraph behind a prefix, further lines indented to stand under the first.
    fn paragraph(&mut self, prefix: &str, prefix_style: Style, text: &str, text_style: Style) {
        let indent = columns(prefix);
        let lines = wrap(&self.prose(text), self.width.saturating_sub(indent).max(20));
        let blank: String = prefix.chars().take_while(|character| *character == ' ').collect();
        let mut start = format!("{blank}{}", self.paint(prefix_style, &prefix[blank.len()..]));
        for line in &lines {
            let line = format!("{start}{}", self.paint(text_style, line));
            self.line(&line);
            start = " ".repeat(indent);
        }
        if lines.is_empty() {
            self.line(&start);
        }
    }

    /// Words of others: visible, and not longer than anybody reads.
    fn prose(&self, text: &str) -> String {
        clip(&visible(text), if self.options.verbose { usize::MAX } else { PROSE }).into_owned()
    }

    /// One line, cut where the terminal ends.
    fn cut(&mut self, prefix: &str, text: &str, style: Style) {
        let room = self.wide.saturating_sub(columns(prefix));
        let line = format!("{prefix}{}", self.paint(style, &clip(&visible(text), room)));
        self.line(&line);
    }

    /// SQL to be copied: broken only where that changes nothing, and never cut.
    fn sql(&mut self, indent: &str, statements: &[String]) {
        let width = self.width.saturating_sub(indent.len());
        for line in statements.iter().flat_map(|sql| copyable::sql(sql, width)) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// A command for a shell, to be copied as well.
    fn command(&mut self, indent: &str, command: &str) {
        for line in copyable::shell(command, self.width.saturating_sub(indent.len())) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// How many of a list to show.
    fn shown(&self, of: usize, limit: usize) -> usize {
        // Hiding a single line would save nothing.
        if self.options.verbose || of <= limit + 1 { of } else { limit }
    }

    fn more(&mut self, indent: &str, hidden: usize, noun: &str) {
        if hidden > 0 {
            let text = format!("… {} with --verbose", human::more(hidden, noun));
            let line = format!("{indent}{}", self.paint(DIM, &text));
            self.line(&line);
        }
    }
}

fn verdict(page: &mut Page, report: &Report) {
    let tone = Tone::from(report.verdict);
    let word = format!("{} {}  ", tone.mark(), report.verdict.name().to_uppercase());
    page.paragraph(&word, style(tone), &view::rehearsed(report), HEADING);
    if !report.complete {
        let text = "The run did not get to its end. What is missing here is unknown, not fine.";
        page.paragraph("? INCOMPLETE  ", style(Tone::Unknown), text, PLAIN);
    }
}

fn answers(page: &mut Page, report: &Report) {
    page.out.push('\n');
    let answers = view::answers(report);
    let width = answers.iter().map(|answer| columns(&answer.word)).max().unwrap_or(0);
    for answer in &answers {
        let question = format!("  {:<11}", answer.question);
        let word = format!("{} {:<width$}  ", answer.tone.mark(), answer.word);
        let indent = columns(&question) + columns(&word);
        let lines = wrap(&page.prose(answer.summary), page.width.saturating_sub(indent).max(20));
        let first = lines.first().map_or("", String::as_str);
        let line = format!("{}{}{first}", page.paint(HEADING, &question), page.paint(style(answer.tone), &word));
        page.line(&line);
        for line in lines.iter().skip(1) {
            page.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
}

/// Short, so that it stands on the first screen.
fn paged(page: &mut Page, report: &Report) {
    let Some(paged) = view::paged::paged(report, page.options.out_dir.as_deref()) else { return };
    page.heading(view::paged::HEADING);
    let limit = page.shown(paged.queries.len(), PAGED);
    for query in &paged.queries[..limit] {
        let owner = query.owner.map_or_else(|| "no owner".to_owned(), |owner| format!("owner {owner}"));
        let text = format!("{} ({owner}): {}", query.name, query.expected);
        page.paragraph(&format!("  {} ", query.tone.mark()), style(query.tone), &text, PLAIN);
    }
    page.more("    ", paged.queries.len() - limit, "query");
    let limit = page.shown(paged.steps.len(), PAGED);
    for step in &paged.steps[..limit] {
        page.paragraph("  → ", PLAIN, &step.text, PLAIN);
        page.sql("      ", step.sql.as_slice());
    }
    page.more("    ", paged.steps.len() - limit, "step");
    page.paragraph("  ← ", style(paged.undo.tone), &format!("way back: {}", paged.undo.text), PLAIN);
    if let Some(command) = &paged.undo.command {
        page.command("      ", command);
    }
}

fn migrations(page: &mut Page, report: &Report) {
    if report.migrations.is_empty() {
        return;
    }
    page.heading("Migrations");
    let rows: Vec<_> = report
        .migrations
        .iter()
        .map(|migration| {
            let cells = view::migration_cells(migration).map(|(tone, text)| (tone, format!("{} {text}", tone.mark())));
            (visible(&view::migration_label(migration)).into_owned(), cells)
        })
        .collect();
    let mut widths = view::MIGRATION_COLUMNS.map(columns);
    for (_, cells) in &rows {
        for (width, (_, text)) in widths.iter_mut().zip(cells) {
            *width = (*width).max(columns(text));
        }
    }
    let others: usize = widths.iter().map(|width| width + 2).sum();
    let room = page.wide.saturating_sub(others + 2).max("migration".len());
    let longest = rows.iter().map(|(label, _)| columns(label)).max().unwrap_or(0);
    let first = longest.clamp("migration".len(), room);
    let pad = |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))));
    let mut header = format!("  {}", pad("migration", first));
    for (title, width) in view::MIGRATION_COLUMNS.iter().zip(widths) {
        header.push_str("  ");
        header.push_str(&pad(title, width));
    }
    let header = page.paint(DIM, header.trim_end());
    page.line(&header);
    for (label, cells) in &rows {
        let mut lines = wrap(label, first);
        if let Some((version, name)) = label.split_once(' ').filter(|_| lines.len() > 1) {
            lines = [wrap(version, first), wrap(name, first)].concat();
        }
        if lines.len() > 3 {
            lines.truncate(3);
            if let Some(last) = lines.last_mut() {
                // A word more than fits makes the cut visible, where there is no room for the mark itself.
                let cut = if columns(last) < first { format!("{last}…") } else { format!("{last}x") };
                *last = clip(&cut, first).into_owned();
            }
        }
        let mut line = format!("  {}", pad(lines.first().map_or("", String::as_str), first));
        for ((tone, text), width) in cells.iter().zip(widths) {
            line.push_str("  ");
            line.push_str(&page.paint(style(*tone), text));
            line.push_str(&" ".repeat(width.saturating_sub(columns(text))));
        }
        page.line(&line);
        for rest in lines.iter().skip(1) {
            page.line(&format!("  {rest}"));
        }
    }
}

fn findings(page: &mut Page, report: &Report) {
    let folded =
        view::folded(report, page.options.verbose).map(|text| format!(" (not shown: {text})")).unwrap_or_default();
    page.heading(&format!("Findings: {}{folded}", view::tally(report)));
    for finding in view::findings(report, page.options.verbose) {
        page.out.push('\n');
        one_finding(page, report, finding);
    }
}

fn one_finding(page: &mut Page, report: &Report, finding: &Finding) {
    let (tone, name) = match finding.severity {
        Severity::Info => (DIM, format!("· {}", finding.severity.name())),
        severity => (style(severity.into()), format!("{} {}", Tone::from(severity).mark(), severity.name())),
    };
    let predicted = if finding.confidence == v1::Confidence::Predicted { " (predicted)" } else { "" };
    let id = visible(&finding.id);
    let mut head = format!("{}  {}{predicted}", page.paint(tone, &name), page.paint(HEADING, &id));
    let used = columns(&name) + 2 + columns(&id) + columns(predicted);
    let place = view::location(finding).map(|place| visible(&place).into_owned());
    let place = place.map(|place| clip(&place, page.wide - 4).into_owned());
    let fits = place.as_ref().is_some_and(|place| used + 2 + columns(place) <= page.wide);
    if let Some(place) = place.as_ref().filter(|_| fits) {
        head.push_str(&format!("  {}", page.paint(DIM, place)));
    }
    page.line(&head);
    if let Some(place) = place.filter(|_| !fits) {
        page.cut("    ", &place, DIM);
    }
    if !finding.message.is_empty() {
        page.paragraph("    ", PLAIN, &finding.message, PLAIN);
    }
    if let Some(statement) = view::statement_of(report, finding) {
        for line in snippet::lines(statement, finding, page.wide - SQL_INDENT.len(), page.options.color) {
            page.line(&format!("{SQL_INDENT}{line}"));
        }
    }
    if !finding.advice.is_empty() {
        page.paragraph("    → ", PLAIN, &finding.advice, PLAIN);
    }
    if let Some(suggestion) = view::trials::suggestion(report, finding) {
        page.paragraph("    → ", PLAIN, &suggestion.text, PLAIN);
        page.sql("        ", &suggestion.sql);
    }
}

fn indexes(page: &mut Page, report: &Report) {
    if report.indexes.is_empty() {
        return;
    }
    page.heading("Indexes");
    for index in &report.indexes {
        let tone = view::index_tone(report, index);
        page.paragraph(&format!("  {} ", tone.mark()), style(tone), &view::index_headline(index), PLAIN);
        for (sign, definition) in view::index_definitions(index) {
            page.paragraph(&format!("      {sign} "), diff_style(sign), definition, diff_style(sign));
        }
        page.paragraph("      ", PLAIN, &view::index_usage(index), PLAIN);
        if let Some(price) = measured::index_price(report, index) {
            page.paragraph("      ", PLAIN, &price, PLAIN);
        }
    }
}

fn diff_style(sign: char) -> Style {
    match sign {
        '+' => colour::GREEN,
        '-' => colour::RED,
        _ => DIM,
    }
}

fn plans(page: &mut Page, report: &Report) {
    if report.queries.is_empty() {
        return;
    }
    page.heading("Hot queries");
    let changed = view::changed_queries(report);
    let mut shown: Vec<&str> = Vec::new();
    for query in &changed {
        let tone = Tone::from(query.verdict);
        let text = format!("{}: {}", view::query_label(query), view::query_headline(query));
        page.paragraph(&format!("  {} ", tone.mark()), style(tone), &text, PLAIN);
        if let Some(cause) = view::query_cause(report, query) {
            page.paragraph("      ", PLAIN, &format!("since {cause}"), PLAIN);
        }
        if let Some(time) = measured::time_sentence(query) {
            page.paragraph("      ", PLAIN, &time, PLAIN);
        }
        if query.plan_diff.is_empty() {
            continue;
        }
        if shown.contains(&query.plan_diff.as_str()) {
            page.cut("      ", "(the plans are as shown above)", DIM);
            continue;
        }
        shown.push(&query.plan_diff);
        let (sentence, tree) = render::parts(&query.plan_diff);
        if let Some(sentence) = sentence {
            page.paragraph("      ", PLAIN, sentence, PLAIN);
        }
        let lines: Vec<_> = visible_lines(tree).collect();
        let limit = page.shown(lines.len(), PLAN_LINES);
        for line in &lines[..limit] {
            page.cut("      ", line, diff_style(line.chars().next().unwrap_or(' ')));
        }
        page.more("      ", lines.len() - limit, "line");
    }
    if let Some(text) = view::unchanged(report) {
        page.paragraph("  ✓ ", style(Tone::Good), &text, PLAIN);
    }
}

/// What was tried on request.
fn trials(page: &mut Page, report: &Report) {
    for section in view::trials::sections(report) {
        page.heading(section.heading);
        let limit = page.shown(section.rows.len(), PLAN_LINES);
        for row in &section.rows[..limit] {
            page.paragraph(&format!("  {} ", row.tone.mark()), style(row.tone), &row.text, PLAIN);
            page.sql("      ", &row.sql);
            if let Some(timeline) = &row.timeline {
                page.cut("    ", timeline, DIM);
            }
        }
        page.more("    ", section.rows.len() - limit, "line");
    }
}

fn writes(page: &mut Page, report: &Report) {
    let rows = measured::write_rows(report);
    if rows.is_empty() {
        return;
    }
    page.heading("What writes pay");
    let limit = page.shown(rows.len(), PLAN_LINES);
    for row in &rows[..limit] {
        page.paragraph("    ", PLAIN, &format!("{}: {}", row.label, row.cells.join(", ")), PLAIN);
    }
    page.more("    ", rows.len() - limit, "query");
    page.paragraph("    ", PLAIN, measured::WRITES_FOOTNOTE, DIM);
}

fn locks(page: &mut Page, report: &Report) {
    let mut first = true;
    for statement in view::statements(report) {
        let lines = view::lock_lines(statement, page.options.verbose);
        if lines.is_empty() {
            continue;
        }
        if std::mem::take(&mut first) {
            page.heading("Locks that make reads or writes wait");
        }
        page.cut("  ", &view::statement_label(report, statement.index), PLAIN);
        page.cut("      ", &view::statement_place(statement), DIM);
        let limit = page.shown(lines.len(), LIST_LINES);
        for line in &lines[..limit] {
            page.paragraph("      ", PLAIN, line, PLAIN);
        }
        page.more("      ", lines.len() - limit, "lock");
        for line in view::work_lines(statement) {
            page.paragraph("      ", PLAIN, &line, PLAIN);
        }
    }
}

fn refusals(page: &mut Page, report: &Report) {
    for statement in view::statements(report).filter(|statement| statement.outcome == Outcome::Failed) {
        page.heading(view::refusals_heading(report));
        page.cut("  ", &view::statement_label(report, statement.index), PLAIN);
        page.cut("      ", &view::statement_place(statement), DIM);
        for line in view::refusal(statement).lines() {
            page.paragraph("      ", PLAIN, line, PLAIN);
        }
    }
}

fn rollback(page: &mut Page, report: &Report) {
    page.heading("Rollback");
    let rollback = &report.rollback;
    let tone = Tone::from(rollback.verdict);
    let text = format!("{}: {}", view::words(rollback.verdict.name()), view::proof_sentence(rollback));
    page.paragraph(&format!("  {} ", tone.mark()), style(tone), &text, PLAIN);
    if let Some(backup) = view::backup_sentence(report) {
        page.paragraph("    ", PLAIN, &backup, PLAIN);
    }
    for loss in view::loss_sentences(report) {
        page.paragraph("    ", PLAIN, &loss, PLAIN);
    }
    for condition in &rollback.conditions {
        page.paragraph("    condition: ", PLAIN, condition, PLAIN);
    }
    let limit = page.shown(rollback.differences.len(), LIST_LINES);
    for difference in &rollback.differences[..limit] {
        page.paragraph("    differs: ", PLAIN, difference, PLAIN);
    }
    page.more("    ", rollback.differences.len() - limit, "difference");
    let scripts: Vec<&str> = rollback.scripts.files().map(|(name, _)| name).collect();
    if !scripts.is_empty() {
        let place = match &page.options.out_dir {
            Some(folder) => format!("in {}", folder.trim_end_matches('/')),
            None if scripts.len() == 1 => "in report.json; --out DIR writes it as a file".to_owned(),
            None => "in report.json; --out DIR writes them as files".to_owned(),
        };
        page.paragraph("    ", PLAIN, &format!("{}: {place}", human::list(&scripts)), PLAIN);
    }
    if let Some(place) = each::place(report, page.options.out_dir.as_deref()) {
        page.paragraph("    ", PLAIN, &place, PLAIN);
    }
    let sentences = each::sentences(report);
    let limit = page.shown(sentences.len(), LIST_LINES);
    for sentence in &sentences[..limit] {
        page.paragraph("    ", PLAIN, sentence, PLAIN);
    }
    page.more("    ", sentences.len() - limit, "migration");
    let downs = each::downs(report);
    let limit = page.shown(downs.len(), LIST_LINES);
    for sentence in &downs[..limit] {
        page.paragraph("    ", PLAIN, sentence, PLAIN);
    }
    page.more("    ", downs.len() - limit, "down script");
}

fn assumptions(page: &mut Page, report: &Report) {
    page.heading("What this rests on");
    for (name, text) in view::assumptions(report) {
        page.paragraph(&format!("  {name:<13}"), DIM, &text, PLAIN);
    }
    let warnings = &report.source.restore_warnings;
    let limit = page.shown(warnings.len(), LIST_LINES);
    for (position, warning) in warnings[..limit].iter().enumerate() {
        let name = if position == 0 { "Left out" } else { "" };
        page.paragraph(&format!("  {name:<13}"), DIM, warning, PLAIN);
    }
    page.more("               ", warnings.len() - limit, "warning");
}
