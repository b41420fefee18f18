//! Reads every row of every system catalog, whether anything here knows what it means or not.
//!
//! Which catalogs there are, and what their columns refer to, is asked of the server: a catalog or column of a later
//! version is read like any other. What is left out or read in another form stands in `masks.rs`, each with its reason.

mod masks;

use super::cursor::Cursor;
use super::{each, end};
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::session::Session;
use crate::snapshot::net::{CatalogRows, FIELD, FIRST_NORMAL_OID, NULL, Net, NetColumn, ROW, Refers};
use masks::Form;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};

/// What `pg_get_catalog_foreign_keys` says on the first version that has it: catalog, columns, catalog, whether the last
/// column is an array.
const FOREIGN_KEYS_OF_14: &str = include_str!("net/foreign_keys.txt");

/// `oid` of the schema `public`: the server's own, and everybody's.
const PUBLIC: u32 = 2200;

/// Asks for the lowest transaction that is still to write anything, as `xmin` has them.
pub const NEXT_TRANSACTION: &str = "SELECT txid_snapshot_xmin(txid_current_snapshot()) & 4294967295";

/// A column as `pg_attribute` has it.
#[derive(Debug)]
struct CatalogColumn {
    name: String,
    type_name: String,
    not_null: bool,
}

/// Where the numbers of a catalog's column lead, by catalog and column.
type References = BTreeMap<(String, String), Refers>;

/// Reads all catalogs in one read-only transaction. The session must not be inside one.
///
/// # Errors
/// Whatever the server says; only a superuser may read all of them.
pub async fn read(session: &mut Session) -> Result<Net, ServerError> {
    begin(session).await?;
    let read = match Shape::read(session).await {
        Ok(shape) => rows(session, shape.empty(), &shape.query("NULL::xid")).await,
        Err(error) => Err(error),
    };
    end(session, read).await
}

/// Reads them again and again in a session of its own, where planning a query that long would cost a fifth of the time.
///
/// Of the server's own rows it makes hashes once. Later it counts them, and those written since: a row that a transaction
/// of before the first reading wrote is the row of then. Of other rows nothing can be left out, as what an expression is
/// deparsed to may change while its row stays.
#[derive(Debug)]
pub struct Reader {
    session: Session,
    first: Option<First>,
    /// Rows it has read that somebody still has, by catalog.
    read: BTreeMap<String, Vec<Weak<str>>>,
}

/// The server's own rows, by catalog, as they are kept.
type Texts = BTreeMap<String, String>;

/// What the first reading found.
#[derive(Debug)]
struct First {
    /// The catalogs without rows.
    empty: Net,
    /// The server's own rows, by catalog.
    system: BTreeMap<String, Arc<str>>,
    /// No transaction below this one, as `xmin` has them, was still to write anything.
    transaction: String,
}

impl Reader {
    /// The session is a superuser's.
    pub fn new(session: Session) -> Self {
        Self { session, first: None, read: BTreeMap::new() }
    }

    /// The same as [`read`]. `kept` while nothing was done to the copy: another one may have shown the server's own rows.
    ///
    /// # Errors
    /// As there.
    pub async fn read(&mut self, kept: &Kept) -> Result<Net, ServerError> {
        begin(&mut self.session).await?;
        let read = self.again_or_first(kept).await;
        let mut net = end(&mut self.session, read).await?;
        self.share(&mut net);
        Ok(net)
    }

    /// Most catalogs are the same at all moments, and their rows are most of what a proof remembers.
    fn share(&mut self, net: &mut Net) {
        for (catalog, found) in &mut net.catalogs {
            let read = self.read.entry(catalog.clone()).or_default();
            read.retain(|known| known.strong_count() > 0);
            match read.iter().filter_map(Weak::upgrade).find(|known| *known == found.rows) {
                Some(known) => found.rows = known,
                None => read.push(Arc::downgrade(&found.rows)),
            }
        }
    }

    async fn again_or_first(&mut self, kept: &Kept) -> Result<Net, ServerError> {
        let session = &mut self.session;
        if let Some(first) = &self.first
            && let Some(net) = again(session, first).await?
        {
            return Ok(net);
        }
        let mut question = None;
        let empty = match self.first.take() {
            Some(first) => first.empty,
            None => {
                let shape = Shape::read(session).await?;
                let query = shape.query("$1");
                session.execute(&format!("PREPARE net (xid) AS {query}")).await?;
                let empty = shape.empty();
                // Rows the copy's own preparations wrote are young too: then all are hashed again.
                if let Some(transaction) = kept.first_transaction() {
                    let asked = question.insert(format!("the server's own rows: {query}"));
                    let system = kept.get(asked).and_then(|text| serde_json::from_str::<Texts>(&text).ok());
                    let first = |system: Texts| First {
                        empty: empty.clone(),
                        system: system.into_iter().map(|(catalog, rows)| (catalog, rows.into())).collect(),
                        transaction: transaction.to_owned(),
                    };
                    if let Some(known) = system.map(first)
                        && let Some(net) = again(session, &known).await?
                    {
                        self.first = Some(known);
                        return Ok(net);
                    }
                }
                empty
            }
        };
        let transaction = session.query(NEXT_TRANSACTION).await?.scalar().unwrap_or_default().to_owned();
        let net = rows(session, empty.clone(), "EXECUTE net (NULL)").await?;
        if let Some(question) = question {
            let texts: BTreeMap<&String, &str> =
                net.catalogs.iter().map(|(catalog, rows)| (catalog, &*rows.system)).collect();
            if let Ok(text) = serde_json::to_string(&texts) {
                kept.keep(&question, &text);
            }
        }
        let system = net.catalogs.iter().map(|(catalog, rows)| (catalog.clone(), Arc::clone(&rows.system))).collect();
        self.first = Some(First { empty, system, transaction });
        Ok(net)
    }

    /// Ends the session.
    pub async fn close(self) {
        self.session.close().await;
    }
}

/// Everything, the server's own rows as they were; `None` if one of these was written since.
async fn again(session: &mut Session, first: &First) -> Result<Option<Net>, ServerError> {
    let query = format!("EXECUTE net ('{}')", first.transaction);
    let mut net = rows(session, first.empty.clone(), &query).await?;
    for (catalog, rows) in &mut net.catalogs {
        let counted = std::mem::replace(&mut rows.system, first.system.get(catalog).cloned().unwrap_or_default());
        if !counted.is_empty() && *counted != *format!("{}{FIELD}0", rows.system_lines().count()) {
            return Ok(None);
        }
    }
    Ok(Some(net))
}

/// A query this long takes longer to plan than to run: once has to do, whatever the parameter.
async fn begin(session: &mut Session) -> Result<(), ServerError> {
    session
        .execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL jit = off; \
             SET LOCAL plan_cache_mode = force_generic_plan",
        )
        .await
        .map(|_| ())
}

/// The catalogs there are, and how each is read.
struct Shape {
    classes: BTreeMap<u32, String>,
    catalogs: BTreeMap<String, Vec<CatalogColumn>>,
    references: References,
    /// The server is ours alone, with what all its databases share.
    mine: bool,
}

impl Shape {
    async fn read(session: &mut Session) -> Result<Self, ServerError> {
        let (classes, mut catalogs) = columns(session).await?;
        let mine = session.abilities.has(Ability::PrivateServer);
        let of_others = |catalog: &str| !mine && masks::OF_THE_SERVER.contains(&catalog);
        catalogs.retain(|catalog, _| !masks::LEFT_OUT.contains(&catalog.as_str()) && !of_others(catalog));
        Ok(Self { classes, catalogs, references: references(session).await?, mine })
    }

    /// The catalogs and their columns, without rows.
    fn empty(&self) -> Net {
        let catalog = |(name, columns): (&String, &Vec<CatalogColumn>)| {
            let columns = kept(name, columns, &self.references);
            (name.clone(), CatalogRows { columns, ..CatalogRows::default() })
        };
        Net { classes: self.classes.clone(), catalogs: self.catalogs.iter().map(catalog).collect() }
    }

    /// The query for their rows; of the server's own, what `since` (an `xid`) asks for.
    ///
    /// Where it is null: OID, name and a hash of each. Else how many there are, and how many of them that transaction or
    /// a later one wrote.
    fn query(&self, since: &str) -> String {
        let selects: Vec<String> =
            self.catalogs.iter().map(|(catalog, columns)| select(catalog, columns, since, self.mine)).collect();
        selects.join("\nUNION ALL ")
    }
}

async fn rows(session: &mut Session, mut net: Net, query: &str) -> Result<Net, ServerError> {
    let rows = session.query(query).await?;
    each(rows, |row| {
        let catalog = row.text();
        if let Some(found) = net.catalogs.get_mut(&catalog) {
            (found.rows, found.system) = (row.text().into(), row.text().into());
        }
        Ok(())
    })?;
    for (catalog, found) in &net.catalogs {
        whole(catalog, found)?;
    }
    Ok(net)
}

/// A separator within a value would put every value behind it in another's place.
fn whole(catalog: &str, found: &CatalogRows) -> Result<(), ServerError> {
    let separators = found.columns.len().saturating_sub(1);
    match found.lines().find(|line| line.matches(FIELD).count() != separators) {
        None => Ok(()),
        Some(line) => Err(ServerError {
            message: format!("a row of {catalog} holds a character that separates values: {line:?}"),
            ..ServerError::default()
        }),
    }
}

/// OIDs of the catalogs, and their columns in order.
async fn columns(
    session: &mut Session,
) -> Result<(BTreeMap<u32, String>, BTreeMap<String, Vec<CatalogColumn>>), ServerError> {
    let (mut classes, mut found) = (BTreeMap::new(), BTreeMap::<String, Vec<CatalogColumn>>::new());
    let rows = session
        .query(
            "SELECT c.oid, c.relname, a.attname, t.typname, a.attnotnull FROM pg_class c \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             JOIN pg_type t ON t.oid = a.atttypid \
             WHERE c.relkind = 'r' AND c.relnamespace = 'pg_catalog'::regnamespace ORDER BY c.oid, a.attnum",
        )
        .await?;
    each(rows, |row| {
        let (oid, catalog) = (row.number()?, row.text());
        classes.insert(oid, catalog.clone());
        let column = CatalogColumn { name: row.text(), type_name: row.text(), not_null: row.flag() };
        found.entry(catalog).or_default().push(column);
        Ok(())
    })?;
    Ok((classes, found))
}

/// What columns refer to, as the server declares it; where it says nothing, as `masks.rs` adds.
async fn references(session: &mut Session) -> Result<References, ServerError> {
    let mut found = References::new();
    let mut declare = |catalog: &str, columns: &str, target: &str, array: bool| {
        let refers = match columns.split_once(',') {
            Some((relation, _)) => Refers::Columns(relation.to_owned()),
            None if array => Refers::Objects(target.to_owned()),
            None => Refers::Object(target.to_owned()),
        };
        let column = columns.rsplit(',').next().unwrap_or(columns);
        // A column that stands in two keys is a whole object in the key of its own.
        found.insert((catalog.to_owned(), column.to_owned()), refers);
    };
    let declared = session.query("SELECT FROM pg_proc WHERE proname = 'pg_get_catalog_foreign_keys'").await?;
    if declared.rows.is_empty() {
        for line in FOREIGN_KEYS_OF_14.lines() {
            let mut words = line.split(' ');
            if let (Some(catalog), Some(columns), Some(target)) = (words.next(), words.next(), words.next()) {
                declare(catalog, columns, target, words.next() == Some("true"));
            }
        }
    } else {
        let rows = session
            .query(
                "SELECT k.fktable::regclass, array_to_string(k.fkcols, ','), k.pktable::regclass, k.is_array \
                 FROM pg_get_catalog_foreign_keys() k",
            )
            .await?;
        each(rows, |row: &mut Cursor| {
            let (catalog, columns, target) = (unqualified(&row.text()), row.text(), unqualified(&row.text()));
            declare(&catalog, &columns, &target, row.flag());
            Ok(())
        })?;
    }
    for (catalog, column, refers) in masks::undeclared() {
        found.insert((catalog.to_owned(), column.to_owned()), refers);
    }
    Ok(found)
}

fn unqualified(name: &str) -> String {
    name.strip_prefix("pg_catalog.").unwrap_or(name).to_owned()
}

/// How a column that is read is labelled and asked for.
fn read_as(catalog: &str, column: &CatalogColumn) -> Option<(String, String)> {
    let name = &column.name;
    match masks::form(catalog, name, &column.type_name) {
        Form::LeftOut => None,
        Form::AsIs => Some((name.clone(), format!("x.{name}"))),
        Form::Read(value) => Some((name.clone(), value)),
        Form::ReadAs(label, value) => Some((label.to_owned(), value)),
    }
}

/// The columns of a catalog's rows.
fn kept(catalog: &str, columns: &[CatalogColumn], references: &References) -> Vec<NetColumn> {
    let column = |column: &CatalogColumn| {
        let (label, _) = read_as(catalog, column)?;
        let key = (catalog.to_owned(), column.name.clone());
        let refers = if label == column.name { references.get(&key).cloned() } else { None };
        Some(NetColumn { name: label, refers: refers.unwrap_or(Refers::Nothing) })
    };
    columns.iter().filter_map(column).collect()
}

/// The query for one catalog, a branch of a union of name, rows, the server's own rows.
///
/// Both kinds of rows come of one scan: planning is the greater part of the cost, and grows with each.
fn select(catalog: &str, columns: &[CatalogColumn], since: &str, mine: bool) -> String {
    let null = format!("E'\\x{:x}'", u32::from(NULL.chars().next().unwrap_or_default()));
    let (mut values, mut hashed) = (Vec::new(), Vec::new());
    for column in columns {
        let Some((_, value)) = read_as(catalog, column) else { continue };
        let name = &column.name;
        let plain = value == format!("x.{name}") && column.not_null;
        values.push(if plain { value } else { format!("coalesce(({value})::text, {null})") });
        // Names of functions are dear to print, and the server's own keep their numbers.
        let number = if column.type_name.starts_with("reg") { "::oid" } else { "" };
        let plain = format!("x.{name}{number}");
        hashed.push(if column.not_null { plain } else { format!("coalesce({plain}::text, {null})") });
    }
    let (field, row) = (format!("E'\\x{:x}'", u32::from(FIELD)), format!("E'\\x{:x}'", u32::from(ROW)));
    let mut rows = format!("string_agg(concat_ws({field}, {}), {row})", values.join(", "));
    let mut system = "NULL".to_owned();
    let own = masks::own_rows(catalog);
    if !own.is_empty() {
        let each = |comparison: &str, joined: &str| {
            let each: Vec<String> = own.iter().map(|column| format!("x.{column}::oid {comparison}")).collect();
            each.join(joined)
        };
        let (below, public) = (each(&format!("< {FIRST_NORMAL_OID}"), " AND "), each(&format!("= {PUBLIC}"), " OR "));
        let servers = format!("{below} AND NOT ({public})");
        let name = columns.iter().find(|column| column.type_name == "name");
        let name = name.map_or_else(|| "''".to_owned(), |column| format!("x.{}", column.name));
        let hash = format!("hashtextextended(concat_ws({field}, {}), 0)", hashed.join(", "));
        // Frozen rows of a server whose ids went round may look young: then all are hashed again.
        system = format!(
            "CASE WHEN {since} IS NULL \
             THEN string_agg(concat_ws({field}, x.{}::oid, {name}, {hash}), {row}) FILTER (WHERE {since} IS NULL AND {servers}) \
             ELSE concat_ws({field}, count(*) FILTER (WHERE {servers}), \
             count(*) FILTER (WHERE {servers} AND age(x.xmin) <= age({since}))) END",
            own[0]
        );
        let _ = write!(rows, " FILTER (WHERE NOT ({servers}))");
    }
    let mut query = format!("SELECT '{catalog}', {rows}, {system} FROM {catalog} x");
    let only = if mine { masks::only(catalog).map(str::to_owned) } else { masks::only_of_this_database(catalog) };
    if let Some(only) = only {
        let _ = write!(query, " WHERE {only}");
    }
    query
}
