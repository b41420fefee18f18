//! What is done to a restored database once: what nobody owns gets an owner, and statistics are settled.

use crate::copy::provider::make_role;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Rows, Session, quote_identifier, quote_literal};
use crate::engine::postgres::settle::PARENTS_OF_FOREIGN_TABLES;
use std::collections::BTreeSet;

/// The plain role that owns what a source leaves unowned.
pub const DEFAULT_OWNER: &str = "seatrial_owner";

/// Everything the bootstrap superuser (10) owns and an ordinary role may own, as `ALTER … OWNER TO`, without the role.
/// What belongs to an extension or follows its table is left out.
const UNOWNED: &str = "
WITH owned(classid, objid) AS (
              SELECT 'pg_namespace'::regclass::oid, oid FROM pg_namespace WHERE nspowner = 10
    UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relowner = 10 AND relkind IN ('r','p','v','m','S','f')
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE proowner = 10
    UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
              WHERE typowner = 10 AND typtype IN ('b','c','d','e','r') AND (c.oid IS NULL OR c.relkind = 'c')
                AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE collowner = 10
    UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE conowner = 10
    UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprowner = 10
    UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcowner = 10
    UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE opfowner = 10
    UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE cfgowner = 10
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE dictowner = 10
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxowner = 10
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server WHERE srvowner = 10
    UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication WHERE pubowner = 10 AND NOT puballtables
    UNION ALL SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata WHERE lomowner = 10
)
SELECT format('ALTER %s %s OWNER TO ',
              CASE i.type WHEN 'statistics object' THEN 'STATISTICS' WHEN 'composite type' THEN 'TYPE'
                          ELSE upper(i.type) END, i.identity)
FROM owned, LATERAL pg_identify_object(classid, objid, 0) i
WHERE objid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = owned.classid AND d.objid = owned.objid
                  AND d.objsubid = 0
                  AND (d.deptype IN ('e', 'i') OR (d.deptype = 'a' AND i.type = 'sequence' AND d.refclassid = 'pg_class'::regclass)))
ORDER BY classid, objid";

/// Gives what the bootstrap superuser owns to [`DEFAULT_OWNER`], made only if there is something to give. Returns
/// how many objects that were, and a line for each that could not be given.
///
/// # Errors
/// The catalogs cannot be read or the role cannot be made.
pub async fn give_away_unowned(session: &mut Session) -> Result<(usize, Vec<String>), ServerError> {
    let unowned = session.query(UNOWNED).await?;
    if unowned.rows.is_empty() {
        return Ok((0, Vec::new()));
    }
    let known = session.query(&format!("SELECT FROM pg_roles WHERE rolname = '{DEFAULT_OWNER}'")).await?;
    if known.rows.is_empty() {
        session.execute(&format!("CREATE ROLE {} NOLOGIN", quote_identifier(DEFAULT_OWNER))).await?;
    }
    give(session, &unowned).await
}

/// The same on a server of others, for what belongs to anybody but roles that Seatrial made there: nothing is ever run as
/// somebody who may have rights elsewhere on it.
///
/// # Errors
/// As [`give_away_unowned`].
pub async fn give_away_of_others(
    session: &mut Session,
    ours: &BTreeSet<String>,
) -> Result<(usize, Vec<String>), ServerError> {
    let ours: Vec<String> = ours.iter().map(|role| quote_literal(role)).collect();
    // A list must not be empty; nobody has this name.
    let ours = if ours.is_empty() { "''".to_owned() } else { ours.join(", ") };
    give_away(session, &format!("NOT IN (SELECT oid FROM pg_roles WHERE rolname IN ({ours}))")).await
}

/// The same on a clone, for what belongs to superusers.
///
/// # Errors
/// As [`give_away_unowned`].
pub async fn give_away_of_superusers(session: &mut Session) -> Result<(usize, Vec<String>), ServerError> {
    give_away(session, "IN (SELECT oid FROM pg_roles WHERE rolsuper)").await
}

async fn give_away(session: &mut Session, whose: &str) -> Result<(usize, Vec<String>), ServerError> {
    let owned = session.query(&UNOWNED.replace("= 10", whose)).await?;
    if owned.rows.is_empty() {
        return Ok((0, Vec::new()));
    }
    let known = session.query(&format!("SELECT FROM pg_roles WHERE rolname = '{DEFAULT_OWNER}'")).await?;
    if known.rows.is_empty() {
        make_role(session, DEFAULT_OWNER, None, "NOLOGIN").await?;
    }
    give(session, &owned).await
}

async fn give(session: &mut Session, unowned: &Rows) -> Result<(usize, Vec<String>), ServerError> {
    let owner = quote_identifier(DEFAULT_OWNER);
    let mut refused = Vec::new();
    let mut given = 0;
    for alter in unowned.rows.iter().filter_map(|row| row.first()?.as_deref()) {
        match session.execute(&format!("{alter}{owner}")).await {
            Ok(_) => given += 1,
            Err(error) => refused.push(format!("{alter}{owner}: {error}")),
        }
    }
    Ok((given, refused))
}

/// Sets the visibility map and the planner's statistics, of partitioned parents too. Returns a line for each table that
/// has to do without statistics of its own.
///
/// # Errors
/// What the server says, such as a full disk.
pub async fn settle_statistics(session: &mut Session) -> Result<Vec<String>, ServerError> {
    let parents = format!("SELECT p.oid::regclass::text FROM ({PARENTS_OF_FOREIGN_TABLES}) AS p ORDER BY 1");
    let parents: Vec<String> = session.query(&parents).await?.rows.into_iter().flatten().flatten().collect();
    if parents.is_empty() {
        session.execute("VACUUM (ANALYZE)").await?;
        return Ok(Vec::new());
    }
    session.execute("VACUUM").await?;
    let others = format!(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' \
           AND c.oid NOT IN ({PARENTS_OF_FOREIGN_TABLES}) ORDER BY c.oid"
    );
    for table in session.query(&others).await?.rows.into_iter().flatten().flatten() {
        session.execute(&format!("ANALYZE {table}")).await?;
    }
    let without = |table| format!("{table} has foreign tables below it, which no copy can reach: it has no statistics");
    Ok(parents.into_iter().map(without).collect())
}
