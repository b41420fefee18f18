//! Reads every row of every system catalog, whether anything here knows what it means or not.
//!
//! Which catalogs there are, and what their columns refer to, is asked of the server: a catalog or column of a later
//! version is read like any other. What is left out or read in another form stands in `masks.rs`, each with its reason.

mod masks;

use super::cursor::Cursor;
use super::each;
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::snapshot::net::{CatalogRows, FIELD, FIRST_NORMAL_OID, NULL, Net, NetColumn, ROW, Refers};
use masks::Form;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What `pg_get_catalog_foreign_keys` says on the first version that has it: catalog, columns, catalog, whether the last
/// column is an array.
const FOREIGN_KEYS_OF_14: &str = include_str!("net/foreign_keys.txt");

/// `oid` of the schema `public`: the server's own, and everybody's.
const PUBLIC: u32 = 2200;

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
    let read = match shape(session).await {
        Ok((empty, query)) => rows(session, empty, &query).await,
        Err(error) => Err(error),
    };
    end(session, read).await
}

/// Reads them again and again in a session of its own, where planning a query that long would cost a fifth of the time.
#[derive(Debug)]
pub struct Reader {
    session: Session,
    /// The catalogs without rows, once the query for these is prepared.
    empty: Option<Net>,
}

impl Reader {
    /// The session is a superuser's.
    pub fn new(session: Session) -> Self {
        Self { session, empty: None }
    }

    /// The same as [`read`].
    ///
    /// # Errors
    /// As there.
    pub async fn read(&mut self) -> Result<Net, ServerError> {
        begin(&mut self.session).await?;
        let read = self.prepared().await;
        end(&mut self.session, read).await
    }

    async fn prepared(&mut self) -> Result<Net, ServerError> {
        let empty = match &self.empty {
            Some(empty) => empty.clone(),
            None => {
                let (empty, query) = shape(&mut self.session).await?;
                self.session.execute(&format!("PREPARE net AS {query}")).await?;
                self.empty.insert(empty).clone()
            }
        };
        rows(&mut self.session, empty, "EXECUTE net").await
    }

    /// Ends the session.
    pub async fn close(self) {
        self.session.close().await;
    }
}

async fn begin(session: &mut Session) -> Result<(), ServerError> {
    session
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL jit = off")
        .await
        .map(|_| ())
}

/// A failed statement ends the transaction either way; the error that matters is the reading's.
async fn end(session: &mut Session, read: Result<Net, ServerError>) -> Result<Net, ServerError> {
    let ended = session.execute("COMMIT").await;
    let net = read?;
    ended?;
    Ok(net)
}

/// The catalogs and their columns without rows, and the query for these.
async fn shape(session: &mut Session) -> Result<(Net, String), ServerError> {
    let (classes, mut described) = columns(session).await?;
    described.retain(|catalog, _| !masks::LEFT_OUT.contains(&catalog.as_str()));
    let references = references(session).await?;
    let mut net = Net { classes, ..Net::default() };
    let mut selects = Vec::new();
    for (catalog, columns) in &described {
        let (select, kept) = select(catalog, columns, &references);
        selects.push(select);
        net.catalogs.insert(catalog.clone(), CatalogRows { columns: kept, ..CatalogRows::default() });
    }
    Ok((net, selects.join("\nUNION ALL ")))
}

async fn rows(session: &mut Session, mut net: Net, query: &str) -> Result<Net, ServerError> {
    let rows = session.query(query).await?;
    each(&rows, |row| {
        let catalog = row.text();
        if let Some(found) = net.catalogs.get_mut(&catalog) {
            (found.rows, found.system) = (row.text(), row.text());
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
    each(&rows, |row| {
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
        each(&rows, |row: &mut Cursor<'_>| {
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

/// The query for one catalog, a branch of a union of name, rows, the server's own rows; and the columns of the rows.
fn select(catalog: &str, columns: &[CatalogColumn], references: &References) -> (String, Vec<NetColumn>) {
    let (mut kept, mut values, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns {
        let name = &column.name;
        let (label, value) = match masks::form(catalog, name, &column.type_name) {
            Form::LeftOut => continue,
            Form::AsIs => (name.clone(), format!("x.{name}")),
            Form::Read(value) => (name.clone(), value),
            Form::ReadAs(label, value) => (label.to_owned(), value),
        };
        let plain = value == format!("x.{name}") && column.not_null;
        let null = u32::from(NULL.chars().next().unwrap_or_default());
        values.push(if plain { value } else { format!("coalesce(({value})::text, E'\\x{null:x}')") });
        hashed.push(if column.not_null {
            format!("x.{name}")
        } else {
            format!("coalesce(x.{name}::text, E'\\x{null:x}')")
        });
        let key = (catalog.to_owned(), name.clone());
        let refers = if label == *name { references.get(&key).cloned() } else { None };
        kept.push(NetColumn { name: label, refers: refers.unwrap_or(Refers::Nothing) });
    }
    let (field, row) = (format!("E'\\x{:x}'", u32::from(FIELD)), format!("E'\\x{:x}'", u32::from(ROW)));
    let mut conditions: Vec<String> = masks::only(catalog).into_iter().map(str::to_owned).collect();
    let own = masks::own_rows(catalog);
    let mut system = "NULL".to_owned();
    if !own.is_empty() {
        let conditioned = |comparison: &str, joined: &str| {
            let each: Vec<String> =
                own.iter().map(|column| format!("x.{column}::oid {comparison} {FIRST_NORMAL_OID}")).collect();
            each.join(joined)
        };
        let has_public =
            own.iter().map(|column| format!("x.{column}::oid = {PUBLIC}")).collect::<Vec<_>>().join(" OR ");
        let named = columns
            .iter()
            .find(|column| column.type_name == "name")
            .map_or("''".to_owned(), |column| format!("x.{}", column.name));
        let mut where_own = vec![conditioned("<", " AND "), format!("NOT ({has_public})")];
        where_own.extend(conditions.iter().cloned());
        system = format!(
            "(SELECT string_agg(concat_ws({field}, x.{}::oid, {named}, hashtextextended(concat_ws({field}, {}), 0)), {row}) \
             FROM {catalog} x WHERE {})",
            own[0],
            hashed.join(", "),
            where_own.join(" AND ")
        );
        conditions.push(format!("({} OR {has_public})", conditioned(">=", " OR ")));
    }
    let mut query = format!(
        "SELECT '{catalog}', (SELECT string_agg(concat_ws({field}, {}), {row}) FROM {catalog} x",
        values.join(", ")
    );
    if !conditions.is_empty() {
        let _ = write!(query, " WHERE {}", conditions.join(" AND "));
    }
    let _ = write!(query, "), {system}");
    (query, kept)
}
