//! A server of a test's own, with the roles its fixtures speak of.

use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::ServerError;
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::schema_dump::{SchemaDumpError, schema_text};
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode, ServerOptions};
use seatrial::engine::postgres::session::{Endpoint, Session};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The role migrations run as.
pub const ROLE: &str = "app";

/// Roles the fixtures speak of; `app` is a member of `archivist`.
pub const ROLES: &str = "CREATE ROLE app LOGIN; CREATE ROLE archivist; CREATE ROLE reader; CREATE ROLE writer; \
    CREATE ROLE stranger; GRANT archivist TO app;";

/// A server, and what it stands on.
pub struct Place {
    _folder: TempDir,
    binaries: Binaries,
    server: Server,
    /// Makes and drops databases and roles: a session for each would cost as much as what it does.
    keeper: Mutex<Session>,
}

impl Place {
    /// Starts it.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Starts it with settings of its own.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
        let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
        let cache = folder.path().join("cache");
        super::share_initdb(&cache);
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        let data_dir = run.fresh_path("data");
        create_cluster(&binaries, &state, &run, &data_dir, ()).await.expect("a cluster");
        let mut options = ServerOptions::from(ServerMode::Measuring);
        options.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let server = Server::start(&binaries, &data_dir, &run, &options).await.expect("a server");
        let keeper = Session::connect(server.endpoint(), "postgres", SUPERUSER, "test").await.expect("a session");
        let place = Self { _folder: folder, binaries, server, keeper: Mutex::new(keeper) };
        place.execute("postgres", SUPERUSER, ROLES).await.expect("roles");
        place
    }

    /// Major version of its server.
    pub fn major(&self) -> u32 {
        self.binaries.major
    }

    /// What stands behind `CREATE DATABASE … TEMPLATE` so that a small database is copied file by file: by default every
    /// page goes through the WAL from version 15 on, and before there was no other way.
    pub fn by_files(&self) -> &'static str {
        if self.major() >= 15 { " STRATEGY file_copy" } else { "" }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.server.endpoint()
    }

    /// A session there.
    pub async fn session(&self, database: &str, role: &str) -> Result<Session, ServerError> {
        Session::connect(self.server.endpoint(), database, role, "test").await
    }

    /// One string of SQL, in a session of its own unless it is the superuser's about the server.
    pub async fn execute(&self, database: &str, role: &str, sql: &str) -> Result<(), ServerError> {
        if (database, role) == ("postgres", SUPERUSER) {
            return self.keeper.lock().await.execute(sql).await.map(|_| ());
        }
        let mut session = self.session(database, role).await?;
        let done = session.execute(sql).await;
        session.close().await;
        done.map(|_| ())
    }

    /// What it is held to.
    pub fn confined(&self) -> seatrial::engine::postgres::launch::confine::Confined {
        self.server.confined()
    }

    /// Process id of its postmaster.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its data directory.
    pub fn data_directory(&self) -> &std::path::Path {
        self.server.data_dir()
    }

    /// One query with parameters, as an application sends it.
    pub async fn send(&self, database: &str, sql: &'static str, number: i32, text: &str) -> Result<(), sqlx::Error> {
        use sqlx::Connection;
        let endpoint = self.endpoint();
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .socket(&endpoint.socket_dir)
            .port(endpoint.port)
            .username(SUPERUSER)
            .database(database);
        let mut connection = sqlx::postgres::PgConnection::connect_with(&options).await?;
        sqlx::query(sql).bind(number).bind(text).fetch_all(&mut connection).await?;
        connection.close().await
    }

    /// Its schema, as pg_dump prints it.
    pub async fn dump(&self, database: &str) -> Result<String, SchemaDumpError> {
        schema_text(&self.binaries, self.server.endpoint(), database).await
    }
}
