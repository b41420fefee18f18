use super::*;

fn reader(text: &str) -> DumpReader {
    let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
    DumpReader::new(TextStream::from_reader(bytes, "a.sql".into()))
}

async fn items(text: &str) -> Result<Vec<String>, DumpError> {
    let mut reader = reader(text);
    let mut items = Vec::new();
    while let Some(item) = reader.next().await? {
        items.push(match item {
            Item::Statement(statement) => format!("{} {}", statement.line, statement.sql),
            Item::Connect { line, database } => format!("{line} -> {database}"),
            Item::Copy(statement) => {
                let mut rows = Vec::new();
                while let Some(chunk) = reader.copy_chunk().await? {
                    rows.extend(chunk);
                }
                format!("{} {} {:?}", statement.line, statement.sql, String::from_utf8_lossy(&rows))
            }
        });
    }
    Ok(items)
}

#[tokio::test]
async fn statements_rows_and_connections_come_with_their_lines() {
    let text = "-- hello\nSET a = 1; SET b = 2;\n\\encoding SQL_ASCII\n\\restrict x\n\\connect -reuse-previous=on \"dbname='o\\'dd \"\"x'\"\n\
                COPY public.t (a) FROM stdin;\na\\tb\n\\\\.\n\\.\n\nCOPY t FROM stdin;\n\\.\nSELECT 'a\n;b';\n\\connect shop\n";
    assert_eq!(
        items(text).await.expect("items"),
        [
            "2 SET a = 1",
            "2 SET b = 2",
            "5 -> o'dd \"x",
            "6 COPY public.t (a) FROM stdin \"a\\\\tb\\n\\\\\\\\.\\n\"",
            "11 COPY t FROM stdin \"\"",
            "13 SELECT 'a\n;b'",
            "15 -> shop",
        ]
    );
}

#[tokio::test]
async fn rows_nobody_reads_are_passed_over_and_counted() {
    let mut reader = reader("COPY t FROM stdin;\n1\n2\n\\.\nSELECT 1;\n");
    assert!(matches!(reader.next().await, Ok(Some(Item::Copy(_)))));
    let Ok(Some(Item::Statement(statement))) = reader.next().await else { panic!("a statement") };
    assert_eq!((statement.line, statement.sql.as_str()), (5, "SELECT 1"));
}

#[tokio::test]
async fn chunk_borders_change_nothing() {
    let row = "x".repeat(1000);
    let text = format!("COPY t FROM stdin;\n{}\\.\nSELECT 1;\n", format!("{row}\n").repeat(1000));
    let items = items(&text).await.expect("items");
    assert_eq!(items.len(), 2);
    assert_eq!(items[1], "1003 SELECT 1");
    assert_eq!(items[0].matches("\\n").count(), 1000);
}

#[tokio::test]
async fn a_dump_cut_off_anywhere_is_an_error_with_its_line() {
    let head = "--\n-- PostgreSQL database dump\n--\nSET a = 1;\n";
    for (tail, line) in [("", 5), ("COPY t FROM stdin;\n1\n2", 7), ("SELECT 'a\nb", 5), ("SELECT 1", 5)] {
        let error = items(&format!("{head}{tail}")).await.expect_err(tail).to_string();
        assert!(error.starts_with("a.sql:") && error.contains("cut off"), "{error}");
        assert!(error.starts_with(&format!("a.sql:{line}:")), "{tail}: {error}");
    }
    assert!(items(&format!("{head}--\n-- PostgreSQL database dump complete\n--\n")).await.is_ok());
    assert_eq!(items("SELECT 1").await.expect("no pg_dump").len(), 1);
}

#[tokio::test]
async fn the_encoding_of_text_is_sent_where_it_is_a_name() {
    for name in ["EUC_JIS_2004", "ISO-8859-5"] {
        let sent = items(&format!("\\encoding {name}\nSELECT 1;\n")).await.expect(name);
        assert_eq!(sent, [format!("1 SET client_encoding = '{name}'"), "2 SELECT 1".to_owned()]);
    }
    for wrong in ["", "x'; DROP TABLE t; --", "a b"] {
        let error = items(&format!("\\encoding {wrong}\n")).await.expect_err(wrong).to_string();
        assert_eq!(error, items("\\encoding\n").await.expect_err("no name").to_string());
    }
}

#[tokio::test]
async fn psql_commands_are_refused_by_name_and_line() {
    for command in ["\\! rm -rf /", "\\i other.sql", "\\connect - postgres", "\\copy t from 'x'"] {
        let error = items(&format!("SELECT 1;\n{command}\n")).await.expect_err(command).to_string();
        assert!(error.starts_with("a.sql:2: psql command `\\"), "{error}");
        assert!(!error.contains("rm -rf"), "{error}");
    }
}

#[tokio::test]
async fn text_in_another_encoding_survives_byte_by_byte() {
    let bytes = b"SET client_encoding = 'LATIN1';\nCOMMENT ON TABLE t IS 'caf\xe9';\n".to_vec();
    let mut reader = DumpReader::new(TextStream::from_reader(std::io::Cursor::new(bytes), "a.sql".into()));
    reader.next().await.expect("first");
    reader.set_encoding("LATIN1");
    let Ok(Some(Item::Statement(statement))) = reader.next().await else { panic!("a statement") };
    assert!(encoded_bytes(&statement.sql).ends_with(b"caf\xe9'"));
}

#[tokio::test]
async fn the_heading_above_a_statement_names_it() {
    let text = "--\n-- Name: orders; Type: TABLE; Schema: public; Owner: app\n--\n\nCREATE TABLE orders ();\n";
    let Ok(Some(Item::Statement(statement))) = reader(text).next().await else { panic!("a statement") };
    assert_eq!(statement.entry.as_deref(), Some("TABLE public.orders"));
    assert_eq!(toc_entry("Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o").as_deref(), Some("TABLE DATA s.t"));
    assert_eq!(toc_entry("Name: s; Type: SCHEMA; Schema: -; Owner: o").as_deref(), Some("SCHEMA s"));
}
