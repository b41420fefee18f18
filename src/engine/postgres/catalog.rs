//! Reads the schema at one moment, whole, in one read-only transaction.
//!
//! Everything is deparsed under an empty `search_path`, so that names are always qualified. Objects of extensions are
//! left out (their relations are kept, marked, because locks are taken on them), and so are Seatrial's own schemas.

mod comments;
mod cursor;
pub mod net;
mod objects;
mod raw;
mod relations;
mod server;
mod shared;

use super::session::{Rows, Session, quote_literal};
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::object::Dependency;
use crate::snapshot::{Oid, RelationSize};
use cursor::Cursor;
use raw::RawColumns;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What `prepare.sql` saves into; one migration's own backup has its version behind it.
pub const BACKUP_SCHEMA: &str = "seatrial_backup";

/// What a proof compares with.
pub const WITNESS_SCHEMA: &str = "seatrial_witness";

/// Whether a schema is Seatrial's own: no part of what is rehearsed.
pub fn is_own_schema(name: &str) -> bool {
    [BACKUP_SCHEMA, WITNESS_SCHEMA]
        .iter()
        .filter_map(|own| name.strip_prefix(own))
        .any(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Which elements `o` of `attoptions` are options. There are minor releases (Debian's 17.12 for one) that keep a number of their
/// own there, given to each column when it is made, which `pg_dump` leaves out.
const COLUMN_OPTION: &str = "o !~ '^pg_attver='";

/// Condition on `n.nspname` that keeps people's schemas; see [`is_own_schema`].
const USER_SCHEMA: &str = "n.nspname !~ '^(pg_|seatrial_(backup|witness)(_|$))' AND n.nspname <> 'information_schema'";

/// Objects that belong to extensions, with the extension's name.
const EXTENSION_MEMBERS: &str = "members AS (SELECT d.classid, d.objid, e.extname FROM pg_depend d JOIN pg_extension e \
     ON e.oid = d.refobjid WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass)";

/// Reads the whole catalog of the session's database. The session must not be inside a transaction.
///
/// # Errors
/// Whatever the server says; an ordinary role may lack the right to read some catalogs and sequences.
pub async fn read(session: &mut Session) -> Result<Catalog, ServerError> {
    read_kept(session, &Kept::nothing()).await
}

/// The same as a superuser of a copy, others like which may have answered already: `kept` while nothing was done to it.
///
/// # Errors
/// Whatever the server says.
pub async fn read_kept(session: &mut Session, kept: &Kept) -> Result<Catalog, ServerError> {
    begin(session, "").await?;
    let read = read_everything(&mut Server { session, kept }, None).await;
    end(session, read).await
}

/// The same as [`read`] in two sessions, each of which is asked for half of it, at the same moment.
///
/// # Errors
/// As there.
pub async fn read_in_two(session: &mut Session, beside: &mut Session) -> Result<Catalog, ServerError> {
    begin(session, "").await?;
    let read = read_beside(session, beside).await;
    end(session, read).await
}

async fn read_beside(session: &mut Session, beside: &mut Session) -> Result<Catalog, ServerError> {
    let shared = session.query("SELECT pg_catalog.pg_export_snapshot()").await?;
    let snapshot = format!("; SET TRANSACTION SNAPSHOT {}", quote_literal(shared.scalar().unwrap_or_default()));
    begin(beside, &snapshot).await?;
    let kept = Kept::nothing();
    let (mut server, mut other) = (Server { session, kept: &kept }, Server { session: beside, kept: &kept });
    let read = read_everything(&mut server, Some(&mut other)).await;
    end(beside, read).await
}

/// The schema as it is `known` of a moment at which every row of the system catalogs was the same: what is in none of them
/// is read, the relations' files and where sequences stand. What depends on temporary and TOAST tables, no part of a schema,
/// stays as it was known.
///
/// # Errors
/// Whatever the server says.
pub async fn read_again(session: &mut Session, known: &Arc<Catalog>) -> Result<Arc<Catalog>, ServerError> {
    begin(session, "").await?;
    let read = relations::read_again(&mut Server { session, kept: &Kept::nothing() }, known).await;
    end(session, read).await
}

/// `snapshot`: what says which one, if not a new one.
async fn begin(session: &mut Session, snapshot: &str) -> Result<(), ServerError> {
    // The joins of the queries are written in the order they are good in; looking for a better one takes longer than they do.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{snapshot}; SET LOCAL search_path = ''; SET LOCAL jit = off; \
         SET LOCAL join_collapse_limit = 1; SET LOCAL from_collapse_limit = 1"
    );
    session.execute(&begin).await.map(|_| ())
}

/// A failed statement ends the transaction either way; the error that matters is the reading's.
async fn end<T>(session: &mut Session, read: Result<T, ServerError>) -> Result<T, ServerError> {
    let ended = session.execute("COMMIT").await;
    let read = read?;
    ended?;
    Ok(read)
}

/// `beside` is asked for indexes and dependencies, where there is one: half of the time it takes.
async fn read_everything(server: &mut Server<'_>, beside: Option<&mut Server<'_>>) -> Result<Catalog, ServerError> {
    let raw = raw::RawColumns::read(server).await?;
    let (catalog, found) = match beside {
        Some(beside) => tokio::join!(read_most(server, &raw), read_rest(beside, &raw)),
        None => (read_most(server, &raw).await, read_rest(server, &raw).await),
    };
    let (mut catalog, (indexes, dependencies)) = (catalog?, found?);
    relations::add_indexes(indexes, &mut catalog)?;
    catalog.dependencies = dependencies;
    Ok(catalog)
}

async fn read_most(server: &mut Server<'_>, raw: &RawColumns) -> Result<Catalog, ServerError> {
    let mut catalog = Catalog::default();
    let version = server.query("SELECT current_setting('server_version_num')").await?;
    catalog.version = version.scalar().and_then(|version| version.parse().ok()).unwrap_or_default();
    relations::read_relations(server, &mut catalog).await?;
    relations::read_columns(server, &mut catalog).await?;
    relations::read_constraints(server, raw, &mut catalog).await?;
    relations::read_sequences(server, &mut catalog).await?;
    objects::read_schemas(server, &mut catalog).await?;
    objects::read_types(server, raw, &mut catalog).await?;
    objects::read_functions(server, raw, &mut catalog).await?;
    objects::read_triggers(server, raw, &mut catalog).await?;
    objects::read_rules_and_policies(server, raw, &mut catalog).await?;
    objects::read_others(server, &mut catalog).await?;
    objects::read_privileges_and_casts(server, &mut catalog).await?;
    comments::read_comments(server, &mut catalog).await?;
    shared::read_shared(server, &mut catalog).await?;
    Ok(catalog)
}

async fn read_rest(server: &mut Server<'_>, raw: &RawColumns) -> Result<(Rows, Vec<Dependency>), ServerError> {
    let indexes = relations::read_indexes(server, raw).await?;
    Ok((indexes, objects::read_dependencies(server).await?))
}

/// Sizes of tables, materialized views and indexes, by OID; TOAST and system relations left out.
///
/// # Errors
/// Whatever the server says.
pub async fn read_sizes(session: &mut Session) -> Result<BTreeMap<Oid, RelationSize>, ServerError> {
    read_sizes_kept(session, &Kept::nothing()).await
}

/// The same, `kept` as for [`read_kept`].
///
/// # Errors
/// Whatever the server says.
pub async fn read_sizes_kept(session: &mut Session, kept: &Kept) -> Result<BTreeMap<Oid, RelationSize>, ServerError> {
    sizes(&mut Server { session, kept }, "true", &BTreeMap::new()).await
}

/// The same where only these tables, and their indexes, may have another size than they had `before`: asking for a size
/// looks at a dozen files.
///
/// # Errors
/// Whatever the server says.
pub async fn read_sizes_since(
    session: &mut Session,
    tables: &BTreeSet<Oid>,
    before: &BTreeMap<Oid, RelationSize>,
) -> Result<BTreeMap<Oid, RelationSize>, ServerError> {
    let tables: Vec<String> = tables.iter().map(Oid::to_string).collect();
    let asked = format!("coalesce(i.indrelid, c.oid) = ANY ('{{{}}}'::pg_catalog.oid[])", tables.join(","));
    sizes(&mut Server { session, kept: &Kept::nothing() }, &asked, before).await
}

/// Sizes of relations for which `asked` holds; others have the one of `before`, if they had one.
async fn sizes(
    server: &mut Server<'_>,
    asked: &str,
    before: &BTreeMap<Oid, RelationSize>,
) -> Result<BTreeMap<Oid, RelationSize>, ServerError> {
    let known: Vec<String> = before.keys().map(Oid::to_string).collect();
    let known = format!("c.oid = ANY ('{{{}}}'::pg_catalog.oid[])", known.join(","));
    let rows = server
        .query(&format!(
            "WITH asked AS MATERIALIZED (SELECT c.oid, c.relkind, c.reltuples, c.relallvisible, \
             CASE WHEN {asked} OR NOT {known} THEN pg_relation_size(c.oid) END AS bytes \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE c.relkind IN ('r', 'm', 'i') AND {USER_SCHEMA}) \
             SELECT oid, bytes, CASE WHEN bytes IS NULL OR relkind = 'i' THEN bytes ELSE pg_table_size(oid) END, \
             bytes / current_setting('block_size')::bigint, reltuples, relallvisible FROM asked"
        ))
        .await?;
    let mut sizes = BTreeMap::new();
    for row in rows.rows {
        let mut cursor = Cursor::new(row);
        let oid = cursor.number()?;
        let measured = (cursor.optional_number()?, cursor.optional_number()?, cursor.optional_number()?);
        let tuples = cursor.number::<f64>()?;
        let all_visible = cursor.number()?;
        let (bytes, table_bytes, blocks) = match (measured, before.get(&oid)) {
            ((Some(bytes), Some(table_bytes), Some(blocks)), _) => (bytes, table_bytes, blocks),
            (_, Some(before)) => (before.bytes, before.table_bytes, before.blocks),
            // Dropped since the rows above were read.
            (_, None) => continue,
        };
        let rows = (tuples >= 0.0).then_some(tuples);
        sizes.insert(oid, RelationSize { bytes, table_bytes, blocks, rows, all_visible });
    }
    Ok(sizes)
}

/// Decodes every row with `decode`.
fn each(rows: Rows, mut decode: impl FnMut(&mut Cursor) -> Result<(), ServerError>) -> Result<(), ServerError> {
    rows.rows.into_iter().try_for_each(|row| decode(&mut Cursor::new(row)))
}
