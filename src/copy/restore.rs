//! Restoring a dump: its text goes over the wire statement by statement, as the bootstrap superuser, on a server of
//! our own.

mod error;
mod group;
mod incomplete;
mod roles;
mod rows;
mod statistics;
mod target;

pub use error::RestoreError;
pub use target::Destination;

use crate::copy::dump::{DumpReader, DumpStatement, Item, is_utf8};
use crate::copy::event_triggers::EventTriggers;
use crate::copy::facts::DumpFacts;
use crate::copy::fidelity::Grade;
use crate::copy::policy::{self, Action, Elsewhere, OnFailure, RoleDefinition};
use crate::copy::provider;
use crate::copy::settle;
use crate::copy::words::Words;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::session::{Endpoint, Session, UNBOUND, quote_identifier};
use group::{Build, Group};
use roles::RoleRule;
use statistics::Statistics;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of `INSERT` statements sent in one message.
const BATCH_BYTES: usize = 1 << 17;
/// Statements a warning is kept of; the rest is counted.
const WARNINGS_KEPT: usize = 100;
/// The name of a database whose dump does not name it.
pub const DEFAULT_DATABASE: &str = "seatrial";

/// What restoring brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOutcome {
    /// The restored database.
    pub database: String,
    /// What is different on the copy, or could not be restored.
    pub warnings: Vec<String>,
    /// What the dump does not say and was assumed.
    pub notes: Vec<String>,
    /// Rows loaded.
    pub rows: u64,
    /// Roles made because the dump names them.
    pub created_roles: Vec<String>,
    /// Size of the database.
    pub bytes: u64,
    /// How true it is to the source.
    pub grade: Grade,
    /// What it lacks besides what its grade says.
    pub lost: Vec<String>,
}

impl RestoreOutcome {
    /// Of a database in which nothing is yet.
    pub fn new(database: String) -> Self {
        Self {
            database,
            warnings: Vec::new(),
            notes: Vec::new(),
            rows: 0,
            created_roles: Vec::new(),
            bytes: 0,
            grade: Grade::SchemaOnly,
            lost: Vec::new(),
        }
    }
}

/// Restores a dump into a server that has nothing but its template databases yet, gives what nobody owns to a plain
/// role, and settles statistics.
///
/// # Errors
/// Anything that would leave tables, rows, indexes, constraints, views, functions or types other than in the source,
/// with file and line.
pub async fn restore(
    reader: DumpReader,
    facts: &DumpFacts,
    endpoint: &Endpoint,
    requested: Option<&str>,
) -> Result<RestoreOutcome, RestoreError> {
    restore_to(reader, facts, Destination::private(endpoint), requested).await
}

/// The same into a new database of any server. On a server of others, roles that were there before own nothing in it.
///
/// # Errors
/// As [`restore`].
pub async fn restore_to(
    mut reader: DumpReader,
    facts: &DumpFacts,
    destination: Destination<'_>,
    requested: Option<&str>,
) -> Result<RestoreOutcome, RestoreError> {
    let endpoint = destination.endpoint;
    let source_name = target::source_database(facts, requested, reader.name())?;
    let mut admin = connect(endpoint, destination.maintenance).await?;
    target::refuse_missing_extensions(&mut admin, facts, reader.name()).await?;
    target::refuse_missing_collations(&mut admin, facts, reader.name()).await?;
    let mut outcome =
        target::create_database(&mut admin, facts, destination.database.or(source_name.as_deref())).await?;
    destination.mark(&mut admin, &outcome.database).await?;
    admin.close().await;
    let session = connect(endpoint, &outcome.database).await?;
    // Role names are kept in the bytes of the database they are made from, so it must be this one.
    let mut admin = connect(endpoint, &outcome.database).await?;
    let roles = admin.query("SELECT rolname FROM pg_roles").await?;
    let rule = match (endpoint.as_remote(), endpoint.abilities().has(Ability::Superuser)) {
        (None, _) => RoleRule::All,
        (Some(_), true) => RoleRule::Ours(provider::ours(&mut admin).await?),
        (Some(_), false) => RoleRule::None,
    };
    let importing = "SELECT count(*) > 0 FROM pg_proc WHERE proname = 'pg_restore_relation_stats' AND oid < 16384";
    let supported = admin.query(importing).await?.scalar() == Some("t");
    let mut restoring = Restoring {
        endpoint: endpoint.clone(),
        source_name: source_name.unwrap_or_else(|| outcome.database.clone()),
        rule,
        several: facts.cluster || requested.is_some() && facts.databases.len() > 1,
        // Before its first \connect, a cluster dump speaks of what all databases share.
        active: !facts.cluster,
        connected: None,
        session,
        admin,
        encoding: None,
        known_roles: roles.rows.into_iter().flatten().flatten().collect(),
        left_out: BTreeMap::new(),
        omitted_extensions: BTreeSet::new(),
        elevated: BTreeSet::new(),
        batch: Vec::new(),
        batch_bytes: 0,
        in_transaction: false,
        event_triggers: EventTriggers::default(),
        group: Group::default(),
        several_roles: false,
        statistics: Statistics::new(supported),
        incomplete: Vec::new(),
        statements: 0,
        warnings_dropped: 0,
        outcome: RestoreOutcome { warnings: std::mem::take(&mut outcome.warnings), ..outcome },
    };
    restoring.run(&mut reader).await?;
    restoring.finish(&reader).await
}

/// Makes a database without any content.
///
/// # Errors
/// What the server says.
pub async fn make_empty(destination: Destination<'_>, requested: Option<&str>) -> Result<RestoreOutcome, RestoreError> {
    let mut admin = connect(destination.endpoint, destination.maintenance).await?;
    let name = destination.database.or(requested);
    let outcome = target::create_database(&mut admin, &DumpFacts::default(), name).await?;
    destination.mark(&mut admin, &outcome.database).await?;
    admin.close().await;
    Ok(RestoreOutcome { notes: Vec::new(), ..outcome })
}

async fn connect(endpoint: &Endpoint, database: &str) -> Result<Session, RestoreError> {
    let mut session = Session::connect(endpoint, database, endpoint.observer(), "seatrial restore").await?;
    // A superuser alone chooses the language of messages, in which missing roles are told.
    let english = if session.abilities.has(Ability::Superuser) { "SET lc_messages = 'C'; " } else { "" };
    // What the database or the cluster sets by default must not bind the session that builds it.
    session.execute(&format!("{english}SET client_min_messages = error; {UNBOUND}; SET row_security = off")).await?;
    Ok(session)
}

struct Restoring {
    endpoint: Endpoint,
    rule: RoleRule,
    /// The database's name in the dump.
    source_name: String,
    several: bool,
    /// What is read belongs to the database wanted.
    active: bool,
    connected: Option<String>,
    session: Session,
    admin: Session,
    /// The dump's encoding, if not UTF-8.
    encoding: Option<String>,
    known_roles: BTreeSet<String>,
    left_out: BTreeMap<String, BTreeSet<String>>,
    omitted_extensions: BTreeSet<String>,
    /// Roles that are superusers while restoring.
    elevated: BTreeSet<String>,
    batch: Vec<DumpStatement>,
    batch_bytes: usize,
    in_transaction: bool,
    event_triggers: EventTriggers,
    group: Group,
    /// Sessions of ours would not be the role the dump's own is.
    several_roles: bool,
    statistics: Statistics,
    /// Signs that the dump lacks something its source has.
    incomplete: Vec<String>,
    statements: usize,
    warnings_dropped: usize,
    outcome: RestoreOutcome,
}

impl Restoring {
    async fn run(&mut self, reader: &mut DumpReader) -> Result<(), RestoreError> {
        while let Some(item) = reader.next().await? {
            match item {
                Item::Connect { line, database } => {
                    self.flush(reader).await?;
                    self.connect_to(reader, line, database).await?;
                }
                Item::Copy(_) if !self.active => {}
                Item::Copy(statement) => {
                    self.flush(reader).await?;
                    self.copy(reader, statement).await?;
                }
                Item::Statement(statement) => self.statement(reader, statement).await?,
            }
        }
        self.flush(reader).await
    }

    async fn finish(mut self, reader: &DumpReader) -> Result<RestoreOutcome, RestoreError> {
        if self.statements == 0 {
            return Err(RestoreError::Nothing { name: reader.name().to_owned() });
        }
        if self.in_transaction {
            self.session.execute("COMMIT").await?;
            self.in_transaction = false;
        }
        self.flush_statistics(reader).await?;
        for role in &self.elevated {
            self.admin.execute(&format!("ALTER ROLE {} NOSUPERUSER", quote_identifier(role))).await?;
        }
        for (role, attributes) in &self.left_out {
            let attributes = attributes.iter().map(String::as_str);
            self.outcome.warnings.push(policy::attributes_left_out(role, attributes));
        }
        if self.warnings_dropped > 0 {
            self.outcome.warnings.push(format!("{} further warnings", self.warnings_dropped));
        }
        self.session.close().await;
        self.admin.close().await;
        let mut session = connect(&self.endpoint, &self.outcome.database).await?;
        let (given, refused) = match &self.rule {
            RoleRule::All => settle::give_away_unowned(&mut session, settle::DEFAULT_OWNER).await?,
            RoleRule::Ours(ours) => settle::give_away_of_others(&mut session, ours).await?,
            RoleRule::None => (0, Vec::new()),
        };
        if given > 0 {
            self.outcome
                .notes
                .push(format!("{given} objects without an owner in the source belong to {}", settle::DEFAULT_OWNER));
        }
        self.outcome.warnings.extend(refused);
        if self.statistics.seen > 0 && settle::has_no_table(&mut session).await? {
            return Err(RestoreError::StatisticsOnly { name: reader.name().to_owned() });
        }
        let complete = incomplete::settle(&self.statistics, &mut self.outcome, &mut session).await?;
        incomplete::grade(&mut self.outcome, self.incomplete, complete, &mut session).await?;
        self.event_triggers.rouse(&mut session).await?;
        let size = session.query("SELECT pg_database_size(current_database())").await?;
        self.outcome.bytes = size.scalar().and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
        session.close().await;
        Ok(self.outcome)
    }

    async fn connect_to(&mut self, reader: &DumpReader, line: usize, database: String) -> Result<(), RestoreError> {
        if self.several {
            self.active = database == self.source_name;
        } else if let Some(first) = self.connected.as_ref().filter(|first| **first != database) {
            return Err(RestoreError::SecondDatabase {
                name: reader.name().to_owned(),
                line,
                first: first.clone(),
                second: database,
            });
        }
        self.connected = Some(database);
        // A new session, as psql's would be: what was set before does not reach across.
        let fresh = connect(&self.endpoint, &self.outcome.database).await?;
        std::mem::replace(&mut self.session, fresh).close().await;
        self.in_transaction = false;
        Ok(())
    }

    async fn statement(&mut self, reader: &mut DumpReader, statement: DumpStatement) -> Result<(), RestoreError> {
        let words = Words::new(&statement.sql, 16);
        if !self.active && !concerns_cluster(&words) || self.is_of_another_database(&words) {
            return Ok(());
        }
        if let Some(kind) = statistics::kind(&words) {
            return self.statistics(reader, statement, kind).await;
        }
        self.statements += 1;
        if words.is(0, "INSERT") && !self.in_transaction {
            if self.batch.is_empty() {
                self.flush(reader).await?;
            }
            self.batch_bytes += statement.sql.len();
            self.batch.push(statement);
            return if self.batch_bytes >= BATCH_BYTES { self.flush(reader).await } else { Ok(()) };
        }
        let action = match &self.rule {
            RoleRule::All => policy::decide(&statement.sql),
            rule => {
                let ours = |name: &str| matches!(rule, RoleRule::Ours(ours) if ours.contains(name));
                let at = Elsewhere {
                    superuser: matches!(rule, RoleRule::Ours(_)),
                    source_name: &self.source_name,
                    database: &self.outcome.database,
                    is_ours: &ours,
                };
                policy::decide_elsewhere(&statement.sql, at)
            }
        };
        if let Action::Run { sql, on_failure, warning: None } = &action
            && !self.in_transaction
            && !self.several_roles
        {
            if !self.group.is_empty() && group::is_comment(&words) {
                self.group.push_comment(statement, sql.clone());
                return Ok(());
            }
            if let (OnFailure::Fatal, Some(build)) = (on_failure, Build::of(sql)) {
                if !self.group.takes(build.kind) || !self.batch.is_empty() {
                    self.flush(reader).await?;
                }
                let sql = sql.clone();
                self.group.push(statement, sql, build);
                return Ok(());
            }
        }
        self.flush(reader).await?;
        match action {
            Action::ClientEncoding(encoding) => {
                reader.set_encoding(&encoding);
                self.encoding = Some(encoding).filter(|encoding| !is_utf8(encoding));
                Ok(())
            }
            Action::Role(role) => self.define_role(role).await,
            Action::Become { role, sql } => {
                self.several_roles = true;
                self.elevate(role).await?;
                self.send(reader, &statement, sql, OnFailure::Fatal).await
            }
            Action::Skip { warning } => {
                self.warn(warning);
                Ok(())
            }
            Action::Run { .. } if self.is_comment_on_omitted_extension(&words) => Ok(()),
            Action::Run { sql, on_failure, warning } => {
                self.warn(warning);
                self.send(reader, &statement, sql, on_failure).await?;
                if words.is(1, "EVENT") && words.is(2, "TRIGGER") {
                    self.event_trigger(&words).await?;
                }
                Ok(())
            }
        }
    }

    async fn event_trigger(&mut self, words: &Words<'_>) -> Result<(), RestoreError> {
        if words.is(4, "DISABLE")
            && let Some(name) = words.name(3)
        {
            self.event_triggers.is_disabled(&name);
        }
        Ok(self.event_triggers.hush(&mut self.session).await?)
    }

    /// Sends whatever was collected.
    async fn flush(&mut self, reader: &DumpReader) -> Result<(), RestoreError> {
        self.flush_rows(reader).await?;
        self.finish_group(reader).await?;
        self.flush_statistics(reader).await
    }

    /// Sends the collected `INSERT` statements in one message; if one fails, each by itself to find it.
    async fn flush_rows(&mut self, reader: &DumpReader) -> Result<(), RestoreError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let joined = batch.iter().map(|statement| statement.sql.as_str()).collect::<Vec<_>>().join(";\n");
        let joined = self.in_utf8(joined).await?;
        match self.session.execute(&joined).await {
            Ok(rows) => self.outcome.rows += rows,
            Err(_) => {
                for statement in batch {
                    let sql = statement.sql.clone();
                    self.send(reader, &statement, sql, OnFailure::Fatal).await?;
                }
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        reader: &DumpReader,
        statement: &DumpStatement,
        sql: String,
        on_failure: OnFailure,
    ) -> Result<(), RestoreError> {
        let words = Words::new(&sql, 3);
        let control = ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"]
            .iter()
            .any(|word| words.is(0, word));
        let begins = words.is(0, "BEGIN") || words.start_with("START TRANSACTION");
        let rows = words.is(0, "INSERT");
        // A dump may come in one transaction, where the first failure would take everything with it.
        let guarded = self.in_transaction && !control && !rows && !words.is(0, "SELECT");
        let mut sql = self.in_utf8(sql).await?;
        let mut attempts = 0;
        let failure = loop {
            if guarded {
                self.session.execute("SAVEPOINT seatrial_restore").await?;
            }
            let result = self.session.execute(&sql).await;
            if guarded {
                let end = if result.is_ok() { "RELEASE" } else { "ROLLBACK TO" };
                self.session.execute(&format!("{end} SAVEPOINT seatrial_restore")).await?;
            }
            let error = match result {
                Ok(affected) => {
                    if rows {
                        self.outcome.rows += affected;
                    }
                    if control && !words_keep_transaction(&sql) {
                        self.in_transaction = begins;
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            attempts += 1;
            if attempts < 100
                && self.rule != RoleRule::None
                && let Some(role) = missing(&error, "role")
                && !self.known_roles.contains(role)
                && !role.starts_with("pg_")
            {
                let role = RoleDefinition { name: role.to_owned(), ..Default::default() };
                self.define_role(role).await?;
                continue;
            }
            if let Some(tablespace) = missing(&error, "tablespace") {
                let plain = policy::without_tablespace(&sql);
                if plain != sql {
                    self.warn(Some(format!("tablespace {tablespace} replaced by the default one")));
                    sql = plain;
                    continue;
                }
            }
            match self.foreign_key(&sql, &error) {
                incomplete::ForeignKey::Again(changed) => {
                    sql = changed;
                    continue;
                }
                incomplete::ForeignKey::LeftOut => return Ok(()),
                incomplete::ForeignKey::AsItIs => {}
            }
            break error;
        };
        self.failed(reader, statement, &sql, on_failure, failure)
    }

    fn failed(
        &mut self,
        reader: &DumpReader,
        statement: &DumpStatement,
        sql: &str,
        on_failure: OnFailure,
        error: ServerError,
    ) -> Result<(), RestoreError> {
        // A lost connection or a full disk is no statement's own fault, and nothing goes on after it.
        let broken = error.sqlstate.is_empty() || error.sqlstate.starts_with("53") || error.sqlstate.starts_with("57P");
        if !broken {
            if let Some(extension) = policy::created_extension(sql)
                && on_failure == OnFailure::Warn
            {
                self.omitted_extensions.insert(extension.clone());
                self.warn(Some(format!("extension {extension} left out: {}", error::shown(&error))));
                return Ok(());
            }
            // A materialized view over a foreign server stays empty: that server is unreachable on a copy.
            let foreign = error.sqlstate.starts_with("HV") || error.sqlstate.starts_with("08");
            let missing = matches!(
                error.sqlstate.as_str(),
                "42P01" | "42704" | "42883" | "3F000" | "3D000" | "42703" | "42P06" | "42710"
            );
            let bearable = match on_failure {
                OnFailure::Warn => true,
                OnFailure::IgnoreMissing if missing => return Ok(()),
                OnFailure::IgnoreMissing => true,
                OnFailure::Fatal => foreign && Words::new(sql, 2).start_with("REFRESH MATERIALIZED"),
            };
            if bearable {
                self.warn(Some(match unknown_setting(&error) {
                    Some(setting) => format!("setting {setting} left out: this server does not know it"),
                    None => {
                        format!("line {}: {}: {}", statement.line, policy::headline(sql), error::shown(&error))
                    }
                }));
                return Ok(());
            }
        }
        Err(RestoreError::statement(reader.name(), statement, statement.line, sql, error))
    }

    fn is_of_another_database(&self, words: &Words<'_>) -> bool {
        let named = if words.start_with("ALTER DATABASE") {
            words.name(2)
        } else if words.start_with("COMMENT ON DATABASE") {
            words.name(3)
        } else if words.is(0, "ALTER") && words.is(3, "IN") && words.is(4, "DATABASE") {
            words.name(5)
        } else {
            words.find(1, "DATABASE").filter(|at| words.is(at - 1, "ON")).and_then(|at| words.name(at + 1))
        };
        // On a server of others the database has another name than in the dump.
        let own = if self.rule == RoleRule::All { &self.outcome.database } else { &self.source_name };
        named.is_some_and(|name| name != *own)
    }

    fn is_comment_on_omitted_extension(&self, words: &Words<'_>) -> bool {
        words.start_with("COMMENT ON EXTENSION")
            && words.name(3).is_some_and(|name| self.omitted_extensions.contains(&name))
    }

    fn warn(&mut self, warning: Option<String>) {
        let Some(warning) = warning else { return };
        if self.outcome.warnings.contains(&warning) {
            return;
        }
        if self.outcome.warnings.len() < WARNINGS_KEPT {
            self.outcome.warnings.push(warning);
        } else {
            self.warnings_dropped += 1;
        }
    }
}

/// `ROLLBACK TO` and savepoints: the transaction goes on.
fn words_keep_transaction(sql: &str) -> bool {
    let words = Words::new(sql, 4);
    words.is(0, "SAVEPOINT") || words.is(0, "RELEASE") || words.find(1, "TO").is_some()
}

/// What a cluster dump says outside the database wanted, and that holds for it nevertheless.
fn concerns_cluster(words: &Words<'_>) -> bool {
    let of_role = |at| ["ROLE", "USER", "GROUP"].iter().any(|word| words.is(at, word)) && !words.is(at + 1, "MAPPING");
    let on_database = words.find(1, "ON").is_none_or(|on| words.is(on + 1, "DATABASE"));
    match words.text(0).to_ascii_uppercase().as_str() {
        "CREATE" => of_role(1),
        "ALTER" => of_role(1) || words.is(1, "DATABASE"),
        "COMMENT" => of_role(2) || words.is(2, "DATABASE"),
        "GRANT" | "REVOKE" => on_database,
        "SET" => words.is(1, "client_encoding"),
        _ => false,
    }
}

/// The name in `unrecognized configuration parameter "x"`.
fn unknown_setting(error: &ServerError) -> Option<&str> {
    error.message.strip_prefix("unrecognized configuration parameter \"")?.strip_suffix('"')
}

/// The name in `role "x" does not exist`.
fn missing<'error>(error: &'error ServerError, what: &str) -> Option<&'error str> {
    error.message.strip_prefix(what)?.strip_prefix(" \"")?.strip_suffix("\" does not exist")
}
