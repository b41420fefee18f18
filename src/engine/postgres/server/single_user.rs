//! SQL for a cluster whose superuser nobody knows: `postgres --single` runs it as the bootstrap superuser, whatever that
//! role is called, without settings of databases and roles, without event triggers and without a socket. A cluster that was
//! not shut down is recovered by it first.

use super::{ClusterError, ServerOptions, settings};
use crate::copy::state::RunDir;
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::{RunAs, Tool, confine, run_tool};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Stands before a value of [`told`] in the output.
const MARK: &str = "= \"seatrial:";

/// SQL for an expression of type `text` whose values [`single_user`] returns.
pub fn told(expression: &str) -> String {
    // In digits, because the output quotes nothing.
    format!("'seatrial:' || pg_catalog.encode(pg_catalog.textsend({expression}), 'hex')")
}

/// Runs statements, each of which stands for itself, in this database of a stopped cluster, and stops it cleanly. Returns
/// the values selected by [`told`]. Stops at the first statement that fails.
///
/// # Errors
/// The cluster cannot be recovered or read, has no such database, or a statement fails; the error has the server's own words.
pub async fn single_user(
    binaries: &Binaries,
    data_dir: &Path,
    run: &RunDir,
    options: &ServerOptions,
    database: &str,
    statements: &[String],
) -> Result<Vec<String>, ClusterError> {
    settings::write(binaries, data_dir, run, options)?;
    // A statement ends with its line.
    let script: String = statements.iter().map(|statement| statement.replace('\n', " ") + "\n").collect();
    let path = run.fresh_path("single");
    let input = open_script(&path, &script).map_err(|error| ClusterError::file("write", &path, error))?;

    let mut tool = Tool::new(binaries.postgres());
    // Unqualified names mean the server's own: nothing that lies in the cluster is called by them.
    let safe = "search_path=pg_catalog,pg_temp";
    tool.args = ["--single", "-c", "exit_on_error=on", "-c", safe, "-D"].map(OsString::from).to_vec();
    tool.args.extend([data_dir.into(), database.into()]);
    tool.run_as = RunAs::ServerUser;
    tool.directory = data_dir.to_owned();
    tool.stdin = Some(input);
    tool.death_signal = Signal::SIGKILL;
    let ability = confine::ability(&binaries.postgres()).await;
    let shared = settings::shares_memory_in_files();
    let mut confinement = ability.for_server(binaries, &[data_dir, run.socket_dir()], shared);
    if let Some(files) = &mut confinement.files {
        // Unlike a server it asks who it is.
        files.read.extend(["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"].map(Into::into));
    }
    tool.confinement = Some(confinement);
    let output = run_tool(tool).await?;
    if !output.status.success() {
        let (version, said) = (binaries.version.clone(), complaints(&output.stderr));
        return Err(ClusterError::SingleUser { version, said });
    }
    Ok(values(&String::from_utf8_lossy(&output.stdout)))
}

fn open_script(path: &Path, script: &str) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(script.as_bytes())?;
    File::open(path)
}

fn values(output: &str) -> Vec<String> {
    let digits = output.split(MARK).skip(1).filter_map(|rest| rest.split('"').next());
    digits.map(|digits| String::from_utf8_lossy(&bytes(digits)).into_owned()).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What went wrong, and what the server says about it, without time and process.
fn complaints(log: &str) -> String {
    const SAID: [&str; 6] = ["WARNING:  ", "ERROR:  ", "FATAL:  ", "PANIC:  ", "DETAIL:  ", "HINT:  "];
    let said: Vec<&str> =
        log.lines().filter_map(|line| SAID.iter().find_map(|kind| line.find(kind)).map(|at| &line[at..])).collect();
    if said.is_empty() { log.trim().to_owned() } else { said.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_among_the_rest() {
        let output = "backend> \t 1: ?column?\t(typeid = 25)\n\t----\n\t 1: ?column? = \"seatrial:c3a92022\"\t(typeid = 25)\n\
                      \t----\n\t 1: x = \"something else\"\n\t 1: ?column? = \"seatrial:\"\t(typeid = 25)\n";
        assert_eq!(values(output), ["é \"", ""]);
    }

    #[test]
    fn complaints_are_told_without_what_else_the_log_has() {
        let log = "2026-01-01 00:00:00.000 UTC [7] LOG:  invalid checkpoint record\n\
                   2026-01-01 00:00:00.000 UTC [7] FATAL:  could not locate required checkpoint record\n\
                   2026-01-01 00:00:00.000 UTC [7] HINT:  If you are restoring\n\tfrom a backup\n";
        assert_eq!(complaints(log), "FATAL:  could not locate required checkpoint record\nHINT:  If you are restoring");
        assert_eq!(complaints("postgres: could not access\n"), "postgres: could not access");
    }
}
