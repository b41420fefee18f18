//! Runs pending migrations on a copy, in the transaction mode the real runner uses.
//!
//! Whoever wants to see something while they run (locks, plans) implements [`Watch`]; the order of the statements
//! and what is sent stay the same whoever watches.

use super::extension::Allowed;
use super::sample::is_crowded_out;
use super::session::{Endpoint, Session};
use crate::engine::ServerError;
pub use crate::engine::applied::{Applied, Failure};
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::{self, StatementKind};
use crate::migration::{Migration, Statement, TransactionMode};
use std::time::{Duration, Instant};

/// Where and as whom to run.
#[derive(Debug, Clone)]
pub struct Target {
    /// The copy's server.
    pub endpoint: Endpoint,
    /// The copy's database.
    pub database: String,
    /// The unprivileged role.
    pub role: String,
    /// Value for `search_path`, if one was asked for.
    pub search_path: Option<String>,
    /// Extensions that it may create although only a superuser may.
    pub extensions: Vec<String>,
}

/// The driver asks for UTC and ISO dates as it connects, which outdoes what the role or the database has set; other
/// clients do not. Weakest setting first, so that the strongest is the one that stays.
const ROLE_DEFAULTS: &str = "
SELECT pg_catalog.set_config(pg_catalog.split_part(c.setting, '=', 1),
                             pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1), false)
FROM (SELECT u.setting FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS u(setting)
      WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d
                                  WHERE d.datname = pg_catalog.current_database()))
        AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user))
        AND pg_catalog.lower(pg_catalog.split_part(u.setting, '=', 1)) IN ('timezone', 'datestyle')
      ORDER BY s.setrole <> 0, s.setdatabase <> 0) AS c";

impl Target {
    /// Opens a session as the migration's role.
    ///
    /// # Errors
    /// What the server says.
    pub async fn session(&self, application_name: &str) -> Result<Session, ServerError> {
        self.session_as(&self.role, application_name).await
    }

    /// Opens a session as another role, with the same search path.
    ///
    /// # Errors
    /// What the server says.
    pub async fn session_as(&self, role: &str, application_name: &str) -> Result<Session, ServerError> {
        let mut session = Session::connect(&self.endpoint, &self.database, role, application_name).await?;
        self.defaults(&mut session).await?;
        Ok(session)
    }

    /// What a session of any client begins with.
    async fn defaults(&self, session: &mut Session) -> Result<(), ServerError> {
        session.query(ROLE_DEFAULTS).await?;
        if let Some(path) = &self.search_path {
            session.execute(&format!("SET search_path TO {path}")).await?;
        }
        Ok(())
    }
}

/// Sees every statement before and after it runs.
#[expect(async_fn_in_trait, reason = "watchers run on the task that runs the migration")]
pub trait Watch {
    /// Whether statements that would commit by themselves may be put into a transaction of their own, so that what
    /// they did can be read before it is committed.
    const WRAPS: bool;

    /// Just before a statement is sent. Whoever wraps statements opens the transaction of one that is to be wrapped, by
    /// [`Moment::opening`].
    ///
    /// # Errors
    /// Trouble of the watcher's own; ends the run.
    async fn before(&mut self, session: &mut Session, at: Moment<'_>) -> Result<(), ServerError>;

    /// Just after the server answered. The transaction, if any, is still open, and aborted if `result` is an error.
    ///
    /// # Errors
    /// Trouble of the watcher's own; ends the run.
    async fn after(&mut self, session: &mut Session, at: Moment<'_>, ran: Ran<'_>) -> Result<(), ServerError>;

    /// A transaction that held statements is over.
    ///
    /// # Errors
    /// Trouble of the watcher's own; ends the run.
    async fn transaction_ended(&mut self, session: &mut Session, committed: bool) -> Result<(), ServerError>;
}

/// A statement and the state it meets.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'run> {
    /// The statement.
    pub statement: &'run Statement,
    /// What it is.
    pub kind: &'run StatementKind,
    /// Whether it runs in a transaction block.
    pub in_transaction: bool,
    /// What opens that block, for the watcher to send, alone or with its own questions; empty where there is nothing to.
    pub opening: &'static str,
}

impl Moment<'_> {
    /// Sends [`Moment::opening`] alone.
    ///
    /// # Errors
    /// What the server says.
    pub async fn open(&self, session: &mut Session) -> Result<(), ServerError> {
        if !self.opening.is_empty() {
            session.execute(self.opening).await?;
        }
        Ok(())
    }
}

/// How a statement went.
#[derive(Debug, Clone, Copy)]
pub struct Ran<'run> {
    /// Rows in its command tag, or the server's refusal.
    pub result: &'run Result<u64, ServerError>,
    /// From sending to the answer.
    pub duration: Duration,
    /// When it was sent.
    pub started: Instant,
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    const WRAPS: bool = false;

    async fn before(&mut self, _: &mut Session, _: Moment<'_>) -> Result<(), ServerError> {
        Ok(())
    }

    async fn after(&mut self, _: &mut Session, _: Moment<'_>, _: Ran<'_>) -> Result<(), ServerError> {
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        Ok(())
    }
}

/// Runs `migrations` in order and stops at the first refusal, as runners do. `stop_after` ends the run once that
/// statement ran (its transaction is rolled back when it has not ended by then).
///
/// # Errors
/// Only when the connection or the watcher breaks; a migration that fails is [`Applied::failure`].
pub async fn apply<W: Watch>(
    target: &Target,
    migrations: &[Migration],
    stop_after: Option<usize>,
    watch: &mut W,
) -> Result<Applied, ServerError> {
    let Some(first) = migrations.first() else { return Ok(Applied::default()) };
    let session = connect(target, first).await?;
    let mut run = Run {
        target,
        session,
        watch,
        applied: Applied::default(),
        block: Block::None,
        begun: false,
        open: Vec::new(),
        whole: 0,
    };
    let mut stopped = false;
    for (at, migration) in migrations.iter().enumerate() {
        // A file that runs in several transactions does so in one session.
        let goes_on = at > 0 && migrations[at - 1].version == migration.version;
        // So does one transaction for everything.
        let goes_on =
            goes_on || run.block != Block::None || (run.begun && migration.transaction == TransactionMode::AllPending);
        if at > 0 && migration.connection.fresh_for_each && !goes_on {
            let fresh = connect(target, migration).await?;
            std::mem::replace(&mut run.session, fresh).close().await;
        }
        stopped = run.migration(migration, stop_after).await?;
        if run.applied.failure.is_some() || stopped {
            break;
        }
    }
    if run.applied.failure.is_none() && !stopped && run.block == Block::Runner {
        run.commit().await?;
    }
    run.session.close().await;
    Ok(run.applied)
}

/// A session as the runner opens it.
async fn connect(target: &Target, migration: &Migration) -> Result<Session, ServerError> {
    let mut session = target.session("migration").await?;
    set_up(&mut session, target, migration).await?;
    Ok(session)
}

/// What the driver and the tool's configuration set.
async fn set_up(session: &mut Session, target: &Target, migration: &Migration) -> Result<(), ServerError> {
    if !migration.connection.settings.is_empty() {
        session.execute(migration.connection.settings).await?;
    }
    for setting in &migration.session {
        session.execute(setting).await?;
    }
    // A search path that was asked for stands for what the runner is told where it runs.
    if let Some(path) = target.search_path.as_ref().filter(|_| !migration.session.is_empty()) {
        session.execute(&format!("SET search_path TO {path}")).await?;
    }
    Ok(())
}

/// Who opened the transaction block that is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Runner,
    Script,
}

struct Run<'watch, W> {
    target: &'watch Target,
    session: Session,
    watch: &'watch mut W,
    applied: Applied,
    block: Block,
    /// The runner sent its one `BEGIN` for everything pending, and not yet its `COMMIT`. A script may have ended that
    /// transaction in between: the runner does not notice.
    begun: bool,
    /// Statements that ran in the open block.
    open: Vec<usize>,
    /// Migrations that ran as a whole in the open block.
    whole: usize,
}

impl<W: Watch> Run<'_, W> {
    /// Runs one migration; `true` when `stop_after` was reached.
    async fn migration(&mut self, migration: &Migration, stop_after: Option<usize>) -> Result<bool, ServerError> {
        let together = migration.transaction == TransactionMode::AllPending;
        if !together {
            self.begun = false;
        }
        if self.block == Block::Runner && !together {
            // A migration that cannot be part of the transaction for everything ends it.
            self.commit().await?;
            if self.applied.failure.is_some() {
                return Ok(false);
            }
        }
        let last = migration.statements.last().map_or(0, |statement| statement.index);
        let history = migration.history.as_ref();
        let begun = history.map_or(&[][..], |history| &history.begun);
        if !together {
            self.note_down(begun, last).await?;
        }
        let grouped = together || migration.transaction == TransactionMode::PerMigration;
        if grouped && !self.begun && self.block == Block::None && self.applied.failure.is_none() {
            self.session.execute("BEGIN").await?;
            self.block = Block::Runner;
            self.begun = together;
        }
        if together {
            self.note_down(begun, last).await?;
        }
        if self.applied.failure.is_some() {
            return Ok(false);
        }
        for statement in &migration.statements {
            self.statement(statement).await?;
            if self.applied.failure.is_some() {
                return Ok(false);
            }
            if stop_after == Some(statement.index) {
                return Ok(true);
            }
        }
        if self.block == Block::Script && grouped {
            // A script that commits and begins anew: what it leaves open, the runner's own COMMIT ends.
            self.block = Block::Runner;
        }
        if self.block == Block::Script {
            let error = ServerError {
                sqlstate: "25P01".to_owned(),
                message: "the script ends inside the transaction it opened; the runner's disconnect rolls it back"
                    .to_owned(),
                ..ServerError::default()
            };
            self.fail(last, error).await?;
            return Ok(false);
        }
        if !migration.connection.reset.is_empty() {
            self.session.execute(migration.connection.reset).await?;
            // A runner comes back to what its connection began with, and that is more than the server's defaults.
            self.target.defaults(&mut self.session).await?;
            set_up(&mut self.session, self.target, migration).await?;
        }
        if let Some(history) = history.filter(|history| history.in_transaction || together) {
            self.note_down(&history.applied, last).await?;
        }
        if self.applied.failure.is_some() {
            return Ok(false);
        }
        self.whole += 1;
        if let Some(history) = history.filter(|_| together) {
            self.note_down(&history.finished, last).await?;
        }
        match self.block {
            Block::Runner if together => return Ok(false),
            Block::Runner => self.commit().await?,
            Block::None | Block::Script => self.applied.migrations += std::mem::take(&mut self.whole),
        }
        if let Some(history) = history.filter(|_| self.applied.failure.is_none() && !together) {
            if !history.in_transaction {
                self.note_down(&history.applied, last).await?;
            }
            self.note_down(&history.finished, last).await?;
        }
        Ok(false)
    }

    /// Sends what the runner writes to its history; a refusal is the migration's failure.
    async fn note_down(&mut self, writes: &[String], last: usize) -> Result<(), ServerError> {
        for sql in writes {
            if self.applied.failure.is_some() {
                break;
            }
            match self.session.execute(sql).await {
                Ok(_) => {}
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => self.fail(last, error).await?,
            }
        }
        Ok(())
    }

    async fn statement(&mut self, statement: &Statement) -> Result<(), ServerError> {
        let kind = script::kind(statement.sql());
        if self.block == Block::None && W::WRAPS && kind.can_wrap() {
            self.block = Block::Runner;
            let result = self.send(statement, &kind, "BEGIN; ").await?;
            match result {
                Ok(_) => return self.commit().await,
                // Only outside a transaction block after all: once more, as the runner would have sent it.
                Err(error) if matches!(error.sqlstate.as_str(), "25001" | "2D000") => {
                    self.session.execute("ROLLBACK").await?;
                    self.block = Block::None;
                    self.end_block(false).await?;
                }
                Err(error) => return self.fail(statement.index, error).await,
            }
        }
        match self.send(statement, &kind, "").await? {
            Ok(_) => self.follow_block(statement, &kind).await,
            Err(error) => self.fail(statement.index, error).await,
        }
    }

    async fn send(
        &mut self,
        statement: &Statement,
        kind: &StatementKind,
        opening: &'static str,
    ) -> Result<Result<u64, ServerError>, ServerError> {
        let at = Moment { statement, kind, in_transaction: self.block != Block::None, opening };
        let allowed = Allowed::to_create(self.target, statement.sql()).await?;
        self.watch.before(&mut self.session, at).await?;
        let started = Instant::now();
        let result = self.session.execute(statement.sql()).await;
        let duration = started.elapsed();
        if result.as_ref().is_err_and(is_crowded_out) {
            // The run ends here, and what the session holds goes with it. That is now, since whoever looks on needs room.
            self.session.execute("ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()").await?;
        }
        if let Some(allowed) = allowed {
            allowed.no_more().await?;
        }
        if let Some(error) = result.as_ref().err().filter(|error| is_lost(error)) {
            return Err(error.clone());
        }
        self.watch.after(&mut self.session, at, Ran { result: &result, duration, started }).await?;
        if self.block == Block::None {
            if result.is_ok() {
                self.applied.committed.push(statement.index);
                self.applied.commits.push(statement.index);
            }
        } else {
            self.open.push(statement.index);
        }
        Ok(result)
    }

    /// Keeps track of the block after a statement that ran: scripts open and close their own.
    async fn follow_block(&mut self, statement: &Statement, kind: &StatementKind) -> Result<(), ServerError> {
        match kind {
            StatementKind::Begin if self.block == Block::None => {
                self.applied.committed.retain(|index| *index != statement.index);
                self.applied.commits.retain(|index| *index != statement.index);
                self.open.push(statement.index);
                self.block = Block::Script;
            }
            StatementKind::Commit | StatementKind::Rollback if self.block != Block::None => {
                // A COMMIT of a block that an error has aborted is a rollback, but then the run has ended before.
                let committed = matches!(kind, StatementKind::Commit);
                self.block = if chains(statement.sql()) { Block::Script } else { Block::None };
                self.end_block(committed).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), ServerError> {
        let result = self.session.execute("COMMIT").await;
        self.block = Block::None;
        match result {
            Ok(_) => self.end_block(true).await,
            Err(error) if is_lost(&error) => Err(error),
            // Deferred constraints speak up here.
            Err(error) => {
                let last = self.open.last().copied().unwrap_or_default();
                self.end_block(false).await?;
                self.applied.failure = Some(Failure { statement: last, error });
                Ok(())
            }
        }
    }

    async fn end_block(&mut self, committed: bool) -> Result<(), ServerError> {
        let statements = std::mem::take(&mut self.open);
        let whole = std::mem::take(&mut self.whole);
        if committed {
            self.applied.commits.extend(statements.last());
            self.applied.committed.extend(statements);
            self.applied.migrations += whole;
        }
        self.watch.transaction_ended(&mut self.session, committed).await
    }

    async fn fail(&mut self, statement: usize, error: ServerError) -> Result<(), ServerError> {
        self.applied.failure = Some(Failure { statement, error });
        if self.block != Block::None {
            self.session.execute("ROLLBACK").await?;
            self.block = Block::None;
            self.end_block(false).await?;
        }
        Ok(())
    }
}

/// Whether the server is gone or cannot go on: then nobody knows what became of what was sent, and it is nobody's refusal.
fn is_lost(error: &ServerError) -> bool {
    error.is_outage()
}

/// Whether a COMMIT or ROLLBACK begins the next transaction at once: `AND CHAIN`.
fn chains(sql: &str) -> bool {
    let words = Lexer::new(sql).filter(|token| token.kind == TokenKind::Word);
    let words: Vec<String> = words.map(|token| sql[token.span].to_ascii_uppercase()).collect();
    words.windows(2).any(|two| two == ["AND", "CHAIN"])
}
