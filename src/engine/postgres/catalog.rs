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

use super::session::{Rows, Session};
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::{Oid, RelationSize};
use cursor::Cursor;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};

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
    session
        // The joins below are written in the order they are good in; looking for a better one takes longer than they do.
        .execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL jit = off; \
             SET LOCAL join_collapse_limit = 1; SET LOCAL from_collapse_limit = 1",
        )
        .await?;
    let read = read_everything(&mut Server { session, kept }).await;
    // A failed statement ends the transaction either way; the error that matters is the reading's.
    let ended = session.execute("COMMIT").await;
    let catalog = read?;
    ended?;
    Ok(catalog)
}

async fn read_everything(server: &mut Server<'_>) -> Result<Catalog, ServerError> {
    let mut catalog = Catalog::default();
    let version = server.query("SELECT current_setting('server_version_num')").await?;
    catalog.version = version.scalar().and_then(|version| version.parse().ok()).unwrap_or_default();
    let raw = raw::RawColumns::read(server).await?;
    relations::read_relations(server, &mut catalog).await?;
    relations::read_columns(server, &mut catalog).await?;
    relations::read_indexes(server, &raw, &mut catalog).await?;
    relations::read_constraints(server, &raw, &mut catalog).await?;
    relations::read_sequences(server, &mut catalog).await?;
    objects::read_schemas(server, &mut catalog).await?;
    objects::read_types(server, &raw, &mut catalog).await?;
    objects::read_functions(server, &raw, &mut catalog).await?;
    objects::read_triggers(server, &raw, &mut catalog).await?;
    objects::read_rules_and_policies(server, &raw, &mut catalog).await?;
    objects::read_others(server, &mut catalog).await?;
    objects::read_privileges_and_casts(server, &mut catalog).await?;
    comments::read_comments(server, &mut catalog).await?;
    shared::read_shared(server, &mut catalog).await?;
    objects::read_dependencies(server, &mut catalog).await?;
    Ok(catalog)
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
