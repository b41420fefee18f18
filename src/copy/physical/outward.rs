//! What leads out of a copied cluster is cut off in its catalogs, without asking the libraries that would check it: they may
//! be missing here.

use super::column;
use crate::copy::policy::{self, NOWHERE, ServerOption};
use crate::copy::restore::RestoreOutcome;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_identifier, quote_literal};
use std::collections::BTreeMap;

/// Foreign servers with their options: number, name, wrapper, option, value.
const SERVERS: &str = "
SELECT s.oid, s.srvname, w.fdwname, o.option_name, o.option_value
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
LEFT JOIN LATERAL pg_options_to_table(s.srvoptions) o ON true ORDER BY s.srvname";

/// Foreign tables with their options: number, name, option, value.
const TABLES: &str = "
SELECT t.ftrelid::oid, t.ftrelid::regclass::text, o.option_name, o.option_value
FROM pg_foreign_table t, LATERAL pg_options_to_table(t.ftoptions) o ORDER BY 2";

const MAPPINGS: &str = "
SELECT format('%s SERVER %I', CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname)
FROM pg_user_mappings WHERE umoptions IS NOT NULL ORDER BY 1";

/// Event triggers that came with an extension: name, and the extension's name.
const EXTENSIONS_TRIGGERS: &str = "
SELECT t.evtname, e.extname FROM pg_event_trigger t
JOIN pg_depend d ON d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
    AND (d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid OR d.classid = 'pg_proc'::regclass AND d.objid = t.evtfoid)
JOIN pg_extension e ON e.oid = d.refobjid
WHERE t.evtenabled <> 'D' ORDER BY 1";

const LOGIN_TRIGGERS: &str =
    "SELECT evtname FROM pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D' ORDER BY 1";

/// Cuts off what leads out of this database. The session is the bootstrap superuser's.
pub(super) async fn cut_off(session: &mut Session, outcome: &mut RestoreOutcome) -> Result<(), ServerError> {
    // Subscriptions themselves are gone.
    session.execute("DELETE FROM pg_subscription_rel").await?;
    // Rights to set what only a superuser may, such as where commands come from.
    if !column(session, "SELECT to_regclass('pg_catalog.pg_parameter_acl')").await?.is_empty() {
        let parameters =
            "DELETE FROM pg_shdepend WHERE classid = 'pg_parameter_acl'::regclass; DELETE FROM pg_parameter_acl";
        session.execute(parameters).await?;
    }
    foreign_servers(session, outcome).await?;
    for mapping in column(session, MAPPINGS).await? {
        outcome.warnings.push(format!("user mapping for {mapping} emptied"));
    }
    session.execute("UPDATE pg_user_mapping SET umoptions = NULL WHERE umoptions IS NOT NULL").await?;
    foreign_tables(session, outcome).await?;
    let missing =
        "SELECT extname FROM pg_extension WHERE extname NOT IN (SELECT name FROM pg_available_extensions) ORDER BY 1";
    for extension in column(session, missing).await? {
        outcome.warnings.push(format!("extension {extension} is not on this machine: whatever calls it fails"));
    }
    Ok(())
}

async fn foreign_servers(session: &mut Session, outcome: &mut RestoreOutcome) -> Result<(), ServerError> {
    let mut servers: BTreeMap<String, (String, String, Vec<String>, bool)> = BTreeMap::new();
    for row in session.query(SERVERS).await?.rows {
        let [Some(oid), Some(name), Some(wrapper), option, value] = row.as_slice() else { continue };
        let server = servers.entry(oid.clone()).or_insert_with(|| (name.clone(), wrapper.clone(), Vec::new(), false));
        let Some(option) = option else { continue };
        match policy::server_option(&option.to_lowercase()) {
            ServerOption::Place => {
                server.2.push(format!("{option}={NOWHERE}"));
                server.3 = true;
            }
            ServerOption::LeftOut => {}
            ServerOption::Kept => server.2.push(format!("{option}={}", value.as_deref().unwrap_or_default())),
        }
    }
    for (oid, (name, wrapper, mut options, placed)) in servers {
        if !placed && policy::is_here_by_default(&wrapper) {
            options.push(format!("host={NOWHERE}"));
        }
        let options = array(&options);
        session.execute(&format!("UPDATE pg_foreign_server SET srvoptions = {options} WHERE oid = {oid}")).await?;
        outcome.warnings.push(format!("foreign server {name} made unreachable"));
    }
    Ok(())
}

async fn foreign_tables(session: &mut Session, outcome: &mut RestoreOutcome) -> Result<(), ServerError> {
    let mut tables: BTreeMap<String, (String, Vec<String>, bool)> = BTreeMap::new();
    for row in session.query(TABLES).await?.rows {
        let [Some(oid), Some(name), Some(option), value] = row.as_slice() else { continue };
        let table = tables.entry(oid.clone()).or_insert_with(|| (name.clone(), Vec::new(), false));
        if policy::reads_machine(&option.to_lowercase()) {
            table.1.push(format!("filename={NOWHERE}"));
            table.2 = true;
        } else {
            table.1.push(format!("{option}={}", value.as_deref().unwrap_or_default()));
        }
    }
    for (oid, (name, options, _)) in tables.into_iter().filter(|(_, (.., reads))| *reads) {
        let options = array(&options);
        session.execute(&format!("UPDATE pg_foreign_table SET ftoptions = {options} WHERE ftrelid = {oid}")).await?;
        outcome.warnings.push(format!("foreign table {name} reads no file"));
    }
    Ok(())
}

fn array(options: &[String]) -> String {
    if options.is_empty() {
        return "NULL".to_owned();
    }
    let literals: Vec<String> = options.iter().map(|option| quote_literal(option)).collect();
    format!("ARRAY[{}]::text[]", literals.join(", "))
}

/// Event triggers of extensions that serve operation would call what is not there, and those that fire at login may turn away
/// whom the source does not know: us.
pub(super) async fn quiet_event_triggers(
    session: &mut Session,
    outcome: &mut RestoreOutcome,
) -> Result<(), ServerError> {
    for row in session.query(EXTENSIONS_TRIGGERS).await?.rows {
        let [Some(trigger), Some(extension)] = row.as_slice() else { continue };
        if policy::is_operational(extension) {
            session.execute(&format!("ALTER EVENT TRIGGER {} DISABLE", quote_identifier(trigger))).await?;
            outcome.warnings.push(format!("event trigger {trigger} of extension {extension} disabled"));
        }
    }
    for trigger in column(session, LOGIN_TRIGGERS).await? {
        session.execute(&format!("ALTER EVENT TRIGGER {} DISABLE", quote_identifier(&trigger))).await?;
        outcome.warnings.push(format!("event trigger {trigger} disabled: it fires at login"));
    }
    Ok(())
}
