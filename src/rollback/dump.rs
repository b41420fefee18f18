//! The text of `pg_dump --schema-only`, taken apart into its entries.
//!
//! pg_dump is the only complete deparser of a database there is: what a migration dropped or replaced is put back from
//! the words it printed before.

use std::collections::BTreeMap;
use std::ops::Range;

/// One entry of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `Type:` of the header, such as `TABLE` or `FK CONSTRAINT`.
    pub kind: String,
    /// `Schema:`; none for `-`.
    pub schema: Option<String>,
    /// `Name:`, unquoted as pg_dump prints it (`orders orders_pkey` for a constraint).
    pub name: String,
    /// The statements, trimmed, with what `SET default_…` they need.
    pub text: String,
}

/// A dump's entries in its own order, which is an order they can be created in.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    /// In order.
    pub entries: Vec<Entry>,
    by_key: BTreeMap<(String, Option<String>, String), Vec<usize>>,
}

impl Dump {
    /// Takes a dump apart. Text that is not a dump has no entries.
    pub fn parse(text: &str) -> Self {
        let mut dump = Self::default();
        let headers = headers(text);
        let mut settings = Settings::default();
        if let Some((first, _)) = headers.first() {
            settings.read(&text[..first.start]);
        }
        for (index, (span, header)) in headers.iter().enumerate() {
            let end = headers.get(index + 1).map_or(text.len(), |(next, _)| next.start);
            let body = &text[span.end..end];
            let (needed, reset) = settings.needed_by(&header.0);
            let statements = statements(body);
            settings.read(body);
            if !statements.is_empty() {
                dump.push(Entry {
                    kind: header.0.clone(),
                    schema: header.1.clone(),
                    name: header.2.clone(),
                    text: format!("{needed}{statements}{reset}"),
                });
            }
        }
        dump
    }

    fn push(&mut self, entry: Entry) {
        let key = (entry.kind.clone(), entry.schema.clone(), entry.name.clone());
        self.by_key.entry(key).or_default().push(self.entries.len());
        self.entries.push(entry);
    }

    /// Position of the entry of this kind, schema and name.
    pub fn find(&self, kind: &str, schema: Option<&str>, name: &str) -> Option<usize> {
        let key = (kind.to_owned(), schema.map(str::to_owned), name.to_owned());
        self.by_key.get(&key)?.first().copied()
    }

    /// Positions of all entries of this kind, schema and name: operators of one name differ in their types alone.
    pub fn find_all(&self, kind: &str, schema: Option<&str>, name: &str) -> &[usize] {
        let key = (kind.to_owned(), schema.map(str::to_owned), name.to_owned());
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Entries of schemas in `hidden`, and these schemas themselves, taken out.
    pub fn without_schemas(mut self, hidden: impl Fn(&str) -> bool) -> Self {
        self.entries.retain(|entry| {
            let in_hidden = entry.schema.as_deref().is_some_and(&hidden);
            let is_hidden = hidden(entry.name.strip_prefix("SCHEMA ").unwrap_or(&entry.name));
            !(in_hidden || (is_hidden && entry.schema.is_none()))
        });
        let mut rebuilt = Self::default();
        for entry in std::mem::take(&mut self.entries) {
            rebuilt.push(entry);
        }
        rebuilt
    }
}

/// `= ANY (ARRAY['a'::character varying])` with a string of any length on the left is deparsed with the array as a
/// whole cast to `text[]`. Read again, that cast would move into each element: without it, it is added as before.
pub(super) fn reparsable(text: &str) -> String {
    const OPEN: &str = " ((ARRAY[";
    const CLOSE: &str = "])::text[])";
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let inner = &rest[start + OPEN.len()..];
        let end = closing_bracket(inner).filter(|end| inner[*end..].starts_with(CLOSE));
        let after_operator = rest[..start].ends_with("ANY") || rest[..start].ends_with("ALL");
        match end.filter(|end| after_operator && inner[..*end].contains("'::character varying")) {
            Some(end) => {
                out.push_str(&rest[..start]);
                out.push_str(&format!(" (ARRAY[{}])", &inner[..end]));
                rest = &inner[end + CLOSE.len()..];
            }
            None => {
                out.push_str(&rest[..start + OPEN.len()]);
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Where the bracket closes that is open at the start of `text`.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    for (offset, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted && depth == 0 => return Some(offset),
            ']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Kind, schema and name of a header.
type Header = (String, Option<String>, String);

fn headers(text: &str) -> Vec<(Range<usize>, Header)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = text[from..].find("--\n-- Name: ") {
        let start = from + offset;
        let line_start = start + 3;
        let line_end = text[line_start..].find('\n').map_or(text.len(), |end| line_start + end);
        let at_line_start = start == 0 || text.as_bytes()[start - 1] == b'\n';
        let closed = text[line_end..].starts_with("\n--\n");
        match parse_header(&text[line_start..line_end]) {
            Some(header) if at_line_start && closed => {
                found.push((start..line_end + 4, header));
                from = line_end + 4;
            }
            _ => from = start + 3,
        }
    }
    found
}

fn parse_header(line: &str) -> Option<Header> {
    let rest = line.strip_prefix("-- Name: ")?;
    let (rest, _owner) = rest.rsplit_once("; Owner:")?;
    let (rest, schema) = rest.rsplit_once("; Schema: ")?;
    let (name, kind) = rest.rsplit_once("; Type: ")?;
    Some((kind.to_owned(), (schema != "-").then(|| schema.to_owned()), name.to_owned()))
}

/// Body text without the settings pg_dump prints between entries, and without its last words.
fn statements(body: &str) -> String {
    let body = body.find("\n--\n-- PostgreSQL database dump complete").map_or(body, |end| &body[..end]);
    let mut text = body.trim();
    // Settings stand at the end of a body: they are meant for the entry that follows.
    while let Some((head, last)) = text.rsplit_once('\n') {
        if !is_setting(last) {
            break;
        }
        text = head.trim_end();
    }
    if is_setting(text) { String::new() } else { text.to_owned() }
}

fn is_setting(line: &str) -> bool {
    line.starts_with("SET default_") && line.ends_with(';')
}

/// `default_tablespace` and `default_table_access_method` as the dump has them at some point.
#[derive(Default)]
struct Settings {
    tablespace: Option<String>,
    access_method: Option<String>,
}

impl Settings {
    fn read(&mut self, body: &str) {
        for line in body.lines() {
            if let Some(value) = line.strip_prefix("SET default_tablespace = ").and_then(|rest| rest.strip_suffix(';'))
            {
                self.tablespace = (value != "''").then(|| value.to_owned());
            }
            if let Some(value) =
                line.strip_prefix("SET default_table_access_method = ").and_then(|rest| rest.strip_suffix(';'))
            {
                self.access_method = (value != "heap").then(|| value.to_owned());
            }
        }
    }

    /// What to set before an entry of this kind, and back after it.
    fn needed_by(&self, kind: &str) -> (String, String) {
        let (mut text, mut reset) = (String::new(), String::new());
        if ["TABLE", "INDEX", "CONSTRAINT", "MATERIALIZED VIEW"].contains(&kind) {
            if let Some(tablespace) = &self.tablespace {
                text.push_str(&format!("SET LOCAL default_tablespace = {tablespace};\n"));
                reset.push_str("\nSET LOCAL default_tablespace = '';");
            }
            if let Some(method) = &self.access_method {
                text.push_str(&format!("SET LOCAL default_table_access_method = {method};\n"));
                reset.push_str("\nSET LOCAL default_table_access_method = heap;");
            }
        }
        (text, reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET default_tablespace = '';\n\n\
        SET default_table_access_method = heap;\n\n--\n-- Name: orders; Type: TABLE; Schema: public; Owner: app\n--\n\n\
        CREATE TABLE public.orders (\n    id integer\n);\n\n\nALTER TABLE public.orders OWNER TO app;\n\n\
        SET default_tablespace = fast;\n\n\
        --\n-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: app; Tablespace: fast\n--\n\n\
        ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);\n\n\n\
        --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

    #[test]
    fn entries_are_found_by_kind_schema_and_name() {
        let dump = Dump::parse(DUMP);
        assert_eq!(dump.entries.len(), 2);
        let table = &dump.entries[dump.find("TABLE", Some("public"), "orders").expect("the table")];
        assert!(table.text.starts_with("CREATE TABLE public.orders ("), "{}", table.text);
        assert!(table.text.ends_with("OWNER TO app;"), "{}", table.text);
        assert!(dump.find("CONSTRAINT", Some("public"), "orders orders_pkey").is_some());
        assert!(dump.find("INDEX", Some("public"), "orders").is_none());
    }

    #[test]
    fn settings_reach_the_entry_they_are_meant_for() {
        let dump = Dump::parse(DUMP);
        assert_eq!(
            dump.entries[1].text,
            "SET LOCAL default_tablespace = fast;\nALTER TABLE ONLY public.orders\n    \
             ADD CONSTRAINT orders_pkey PRIMARY KEY (id);\nSET LOCAL default_tablespace = '';"
        );
    }

    #[test]
    fn a_header_inside_a_function_body_needs_its_frame() {
        let text = "--\n-- Name: f(); Type: FUNCTION; Schema: public; Owner: app\n--\n\nCREATE FUNCTION public.f() \
            RETURNS void LANGUAGE sql AS $$\n-- Name: x; Type: TABLE; Schema: public; Owner: app\nSELECT\n$$;\n";
        assert_eq!(Dump::parse(text).entries.len(), 1);
    }

    #[test]
    fn a_list_of_strings_is_read_again_as_it_was_written() {
        let deparsed =
            "CHECK (((kind)::text = ANY ((ARRAY['a]'::character varying, 'it''s'::character varying])::text[])))";
        let written = "CHECK (((kind)::text = ANY (ARRAY['a]'::character varying, 'it''s'::character varying])))";
        assert_eq!(reparsable(deparsed), written);
        let each = "CHECK (((kind)::text = ANY (ARRAY[('a'::character varying)::text])))";
        assert_eq!(reparsable(each), each);
    }

    #[test]
    fn own_schemas_can_be_hidden() {
        let text = "--\n-- Name: seatrial_backup; Type: SCHEMA; Schema: -; Owner: app\n--\n\nCREATE SCHEMA \
            seatrial_backup;\n\n--\n-- Name: t; Type: TABLE; Schema: seatrial_backup; Owner: app\n--\n\nCREATE TABLE \
            seatrial_backup.t ();\n";
        assert!(Dump::parse(text).without_schemas(|name| name == "seatrial_backup").entries.is_empty());
    }
}
