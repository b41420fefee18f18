//! Options of foreign servers and tables, and what becomes of each on a copy.

/// Options that say where a foreign server is, in the words of the wrappers in use.
const PLACES: [&str; 20] = [
    "host",
    "hostname",
    "hosts",
    "address",
    "addr",
    "server",
    "servername",
    "dbserver",
    "url",
    "uri",
    "endpoint",
    "endpoint_url",
    "connection_string",
    "conn_str",
    "connstr",
    "connection",
    "dsn",
    "jdbc_url",
    "brokers",
    "address_list",
];

/// Options left out: they lead around the host, or are secret.
fn is_left_out(name: &str) -> bool {
    ["hostaddr", "service", "passfile"].contains(&name)
        || ["password", "passwd", "secret", "token", "credential", "key"].iter().any(|part| name.contains(part))
}

/// A place where nothing is.
pub(in crate::copy) const NOWHERE: &str = "/nonexistent";

/// What becomes of one option of a foreign server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::copy) enum ServerOption {
    /// It says where the server is, and says [`NOWHERE`] on a copy.
    Place,
    /// It is left out.
    LeftOut,
    /// It stays.
    Kept,
}

/// Decides about one option of a foreign server, by its name.
pub(in crate::copy) fn server_option(name: &str) -> ServerOption {
    match name {
        name if PLACES.contains(&name) => ServerOption::Place,
        name if is_left_out(name) => ServerOption::LeftOut,
        _ => ServerOption::Kept,
    }
}

/// Whether servers of this wrapper are on this machine unless an option says otherwise.
pub(in crate::copy) fn is_here_by_default(wrapper: &str) -> bool {
    ["postgres_fdw", "dblink_fdw"].contains(&wrapper)
}

/// Whether this option of a foreign table reads a file or a program of the machine.
pub(in crate::copy) fn reads_machine(option: &str) -> bool {
    ["program", "filename"].contains(&option)
}
