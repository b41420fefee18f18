//! Clones that a command of the project makes and another one removes: `create` prints the address of a fresh database as
//! its last line, `destroy` is told by its environment what to remove.
//!
//! Both are code of the project, run with the caller's rights: only `--run-command` lets them.

use super::PlaceError;
use super::clones::Made;
use crate::copy::url::SecretUrl;
use crate::engine::postgres::launch::{Tool, ToolOutput, run_tool};
use std::path::PathBuf;
use std::time::Duration;

/// How long a clone may take to be made.
const CREATE_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long it may take to be removed.
const DESTROY_LIMIT: Duration = Duration::from_secs(2 * 60);
/// How much of what a command said is shown, in lines: the end.
const LINES: usize = 15;

/// The project's two commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// A line for the shell that makes a database and prints its address.
    pub create: String,
    /// A line for the shell that removes it.
    pub destroy: String,
    /// Where both run.
    pub directory: PathBuf,
}

impl Commands {
    /// What tells these commands from those of another project.
    pub(super) fn identity(&self) -> String {
        format!("{}\n{}", self.directory.display(), self.destroy)
    }

    /// Makes a database; `name` is for it to use, if it likes.
    pub(super) async fn create(&self, name: &str) -> Result<Made, PlaceError> {
        let environment = [("SEATRIAL_COPY_NAME", name)];
        let output = self.run(&self.create, &environment, CREATE_LIMIT, "make a clone").await?;
        let failed = |why: String| PlaceError::Service { what: "the command that makes clones".to_owned(), why };
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        if !line.starts_with("postgres://") && !line.starts_with("postgresql://") {
            return Err(failed(
                "the last line it prints must be the postgres:// address of the clone, and is not".to_owned(),
            ));
        }
        let url = SecretUrl::parse(line).map_err(|error| failed(format!("its last line: {error}")))?;
        Ok(Made { id: name.to_owned(), url })
    }

    /// Removes the database of this name. Its address goes without a password, which only the one who made it needs.
    pub(super) async fn destroy(&self, name: &str, address: &str) -> Result<(), PlaceError> {
        let environment = [("SEATRIAL_COPY_NAME", name), ("SEATRIAL_COPY_URL", address)];
        self.run(&self.destroy, &environment, DESTROY_LIMIT, "remove a clone").await.map(|_| ())
    }

    async fn run(
        &self,
        line: &str,
        environment: &[(&str, &str)],
        limit: Duration,
        doing: &str,
    ) -> Result<ToolOutput, PlaceError> {
        let failed = |why: String| PlaceError::Service { what: format!("`{line}`, which was to {doing}"), why };
        let mut tool = Tool::new("/bin/sh".into());
        tool.args = vec!["-c".into(), line.into()];
        tool.directory.clone_from(&self.directory);
        // The shell is not the command.
        tool.with_its_children = true;
        // What it needs for its own service it finds as ever; what is for us is not for a program of the change.
        let ours = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            name.starts_with("SEATRIAL_") || name == super::neon::TOKEN
        };
        tool.env = std::env::vars_os().filter(|(name, _)| !ours(name)).collect();
        tool.env.extend(environment.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let output = match tokio::time::timeout(limit, run_tool(tool)).await {
            Err(_) => {
                return Err(failed(format!("it took longer than {} minutes and was ended", limit.as_secs() / 60)));
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(output);
        }
        let lines: Vec<&str> = output.stderr.trim().lines().collect();
        let said = without_passwords(&lines[lines.len().saturating_sub(LINES)..].join("\n"));
        Err(failed(if said.is_empty() { output.status.to_string() } else { format!("{}\n{said}", output.status) }))
    }
}

/// A text with the password of each address in it hidden.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        shown.push_str(before);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        match address.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
            Some((user, host)) => shown.push_str(&format!("{user}:…@{}", without_parameter(host))),
            None => shown.push_str(&without_parameter(address)),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// The same for `?password=`.
fn without_parameter(address: &str) -> String {
    let Some((before, after)) = address.split_once("password=") else { return address.to_owned() };
    let behind = after.find('&').map_or("", |end| &after[end..]);
    format!("{before}password=…{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_an_address_is_told() {
        for (text, shown) in [
            ("refused postgres://app:geheim@db/shop now", "refused postgres://app:…@db/shop now"),
            ("postgresql://app:ge@heim@db/shop", "postgresql://app:…@db/shop"),
            (
                "postgres://app@db/shop?password=geheim&sslmode=require",
                "postgres://app@db/shop?password=…&sslmode=require",
            ),
            ("a postgres://db/shop\nb postgres://u:p@h", "a postgres://db/shop\nb postgres://u:…@h"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }
}
