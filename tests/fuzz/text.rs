//! Texts made of pieces of other texts, and what is hard about them.

use crate::random::Random;

/// What is hard to read in SQL, whoever's it is.
pub const SQL: &[&str] = &[
    "$$",
    "$tag$",
    "$tag$ $$ ; $tag$",
    "$é$;$é$",
    "$1",
    "$2",
    "$0",
    "$65535",
    "$65536",
    "$99999999999999999999",
    "$4294967296",
    "$a$b",
    "a$1$b",
    "/*",
    "*/",
    "/* /* ; */ */",
    "/*+ SeqScan(t) */",
    "--",
    "-- ; '\n",
    "--\r\n",
    "#",
    "'",
    "''",
    "'it''s;'",
    "\"",
    "\"\"",
    "\"q;\"\"\"",
    "E'",
    "E'\\'",
    "E'\\';'",
    "e'\\\\'",
    "U&\"",
    "U&'\\0061'",
    "U&\"d\\0061t\" UESCAPE '!'",
    "B'01'",
    "X'1F'",
    "N'n'",
    "x'00'",
    "'a'\n'b'",
    "E'a'\n'\\''",
    "COPY t FROM stdin;",
    "COPY t (a) FROM STDIN WITH (FORMAT csv);\n1,2\n\\.\n",
    "\\.",
    "\\i x.sql",
    "\\set x 1",
    "\\gexec",
    ".tables",
    ".read x",
    "BEGIN ATOMIC",
    "begin /* c */ atomic",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;",
    "CREATE OR REPLACE PROCEDURE p()",
    "CASE",
    "END",
    "end;",
    "BEGIN;",
    "COMMIT;",
    "ROLLBACK TO s;",
    "START TRANSACTION",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;",
    "CREATE TEMP TRIGGER g BEGIN",
    "EXPLAIN",
    "EXPLAIN QUERY PLAN",
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "VACUUM",
    "ALTER TABLE t ADD COLUMN c int DEFAULT 1",
    "DO $$ BEGIN PERFORM 1; END $$;",
    ";",
    ";;",
    "(",
    ")",
    "[",
    "]",
    "{",
    "{{",
    "}}",
    "::",
    ":=",
    "..",
    ".",
    ",",
    "=",
    "@>",
    "<@",
    "@",
    "@name",
    ":name",
    ":'name'",
    ":\"name\"",
    ":v:id",
    ":v*:ids",
    ":i:table",
    ":name!",
    ":a.b!",
    "?",
    "?1",
    "??",
    "?|",
    "%s",
    "%(name)s",
    "%",
    "sqlc.arg(a)",
    "sqlc.narg('it''s')",
    "sqlc.slice('ids')",
    "sqlc.embed(t)",
    "sqlc.arg(",
    "pggen.arg('x')",
    "sqlc.x(1)",
    "x[1:n]",
    "x[:n]",
    "x[a:b]",
    "JSON_OBJECT('k': :v)",
    "1.5e3",
    "1e",
    "1..2",
    ".5",
    "0x1F",
    "1_000",
    "123456789012345678901234567890",
    "1e999",
    "-",
    "+",
    "->",
    "->>",
    "#>>",
    "||",
    "~*",
    "!~",
    "interval '1 day'",
    "interval/* é */'1 day'",
    "date\n'2026-01-01'",
    "timestamp",
    "ORDER BY 1, 2",
    "LIMIT 10",
    "VALUES (1, $1), ($2, 2)",
    "SET a = $1, \"B\" = $2::text",
    "INSERT INTO t (a, \"b\") VALUES",
    "IS NULL",
    "NULL",
    "`a;b`",
    "[c;d]",
    "`",
    "x.y.z",
    "a.",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "\n",
    "\r",
    "\t",
    " ",
    "\u{a0}",
    "\u{b}",
    "\u{c}",
    "\u{2028}",
    "\u{202e}",
    "\u{200b}",
    "\u{1b}[31m",
    "é",
    "ß",
    "İ",
    "日本",
    "😀",
    "a\u{301}",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
    "\u{f8ff}",
    "-- seatrial: allow(lock/table-rewrite) why",
];

/// Pieces that are repeated to great depth.
const DEEP: &[&str] = &[
    "(", "[", "{", "/*", "CASE ", "((", "a.", "a[", "'", "$$", "BEGIN ", "-", "{\"a\":", "[[", "SELECT ", "x::", "$1,",
    "\n",
];

/// Makes texts of chunks of other texts and of words.
pub struct Texts {
    chunks: Vec<String>,
    words: Vec<&'static str>,
    /// Most chunks of one text.
    most: usize,
}

/// Runs of letters and digits, of spaces, and each other character.
fn tokens(text: &str) -> Vec<&str> {
    let class = |character: char| match character {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, character) in text.char_indices() {
        let now = class(character);
        if last.is_some_and(|last| last != now || now == 2) {
            tokens.push(&text[start..at]);
            start = at;
        }
        last = Some(now);
    }
    if start < text.len() {
        tokens.push(&text[start..]);
    }
    tokens
}

impl Texts {
    /// Chunks end at empty lines and behind semicolons; those of more than `longest` bytes are left out.
    pub fn new(texts: &[String], longest: usize, most: usize, words: &[&[&'static str]]) -> Self {
        let mut chunks: Vec<String> = Vec::new();
        for text in texts {
            let mut chunk = String::new();
            for line in text.split_inclusive('\n') {
                chunk.push_str(line);
                if line.trim().is_empty() || line.trim_end().ends_with(';') {
                    chunks.push(std::mem::take(&mut chunk));
                }
            }
            chunks.push(chunk);
        }
        chunks.retain(|chunk| !chunk.trim().is_empty() && chunk.len() <= longest);
        chunks.sort();
        chunks.dedup();
        assert!(chunks.len() >= 10, "only {} chunks", chunks.len());
        Self { chunks, words: words.concat(), most }
    }

    /// One text.
    pub fn make(&self, random: &mut Random) -> String {
        let base: String = match random.below(8) {
            0 | 1 => String::new(),
            _ => (0..=random.below(self.most)).map(|_| random.pick(&self.chunks).as_str()).collect(),
        };
        self.mutate(&base, random)
    }

    /// Another text near to this one.
    pub fn mutate(&self, base: &str, random: &mut Random) -> String {
        let mut parts = tokens(base);
        if parts.is_empty() {
            let gap = *random.pick(&[" ", "", "\n"]);
            for _ in 0..=random.below(14) {
                parts.push(*random.pick::<&str>(&self.words));
                parts.push(gap);
            }
        }
        for _ in 0..random.below(6) {
            self.once(&mut parts, random);
        }
        let mut text = parts.concat();
        finish(&mut text, random);
        text
    }

    fn once<'a>(&'a self, parts: &mut Vec<&'a str>, random: &mut Random) {
        let at = random.below(parts.len() + 1);
        let to = (at + random.below(6)).min(parts.len());
        match random.below(9) {
            0 | 1 => parts.insert(at, *random.pick::<&str>(&self.words)),
            2 => drop(parts.splice(at..to, [*random.pick::<&str>(&self.words)])),
            3 => drop(parts.drain(at..to)),
            4 => {
                let again = parts[at..to].to_vec();
                drop(parts.splice(to..to, again));
            }
            5 if !parts.is_empty() => {
                let last = parts.len() - 1;
                parts.swap(at.min(last), random.below(last + 1));
            }
            6 => {
                let other = tokens(random.pick::<String>(&self.chunks));
                let from = random.below(other.len());
                let end = (from + random.below(12)).min(other.len());
                drop(parts.splice(at..to, other[from..end].iter().copied()));
            }
            7 => parts.truncate(at),
            _ => drop(parts.drain(..at)),
        }
    }
}

/// What is done to characters rather than to words, and now and then.
fn finish(text: &mut String, random: &mut Random) {
    let place = |text: &str, random: &mut Random| text.floor_char_boundary(random.below(text.len() + 1));
    if random.once_in(8) {
        for _ in 0..=random.below(3) {
            let at = place(text, random);
            if random.once_in(2) && at < text.len() {
                text.remove(at);
            } else {
                text.insert(
                    at,
                    *random.pick(&[
                        '\'',
                        '"',
                        '$',
                        '\\',
                        '\n',
                        '\r',
                        '/',
                        '*',
                        '-',
                        ':',
                        '(',
                        ';',
                        'é',
                        '\u{0}',
                        '\u{85}',
                        '\u{1f600}',
                    ]),
                );
            }
        }
    }
    if random.once_in(12) {
        let at = place(text, random);
        text.truncate(at);
    }
    if random.once_in(30) {
        *text = text.replace('\n', random.pick::<&str>(&["\r\n", "\r", "", "\n\n"]));
    }
    if random.once_in(60) {
        text.insert(0, '\u{feff}');
    }
    if random.once_in(400) {
        let depth = if random.once_in(10) { 20_000 } else { 1_000 };
        let at = place(text, random);
        text.insert_str(at, &random.pick::<&str>(DEEP).repeat(depth));
    }
}
