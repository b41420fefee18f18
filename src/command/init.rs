//! `init`: what the project has, and a `seatrial.toml` that says so.

mod detect;
mod template;

use super::{Stop, exit, print};
use crate::cli::InitArgs;
use crate::config::FILE_NAME;
use crate::migration::source_file::git_root;
use crate::progress::Progress;
use crate::report::visible::visible;
use anyhow::anyhow;
use detect::{Found, Project};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Most lines of one kind.
const LISTED: usize = 12;

/// Runs `init` on the repository around the working directory.
pub(super) fn init(args: &InitArgs) -> Result<u8, Stop> {
    let cwd = std::env::current_dir().map_err(|error| Stop::usage(anyhow!("no working directory: {error}")))?;
    let root = git_root(&cwd).unwrap_or(cwd);
    let path = root.join(FILE_NAME);
    if !args.print && !args.force && path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let found = Project::new(&root).look();
    let text = template::render(&found);
    if args.print {
        // Standard output is the file, whoever reads it.
        let progress = Progress::new(false);
        said(&found).lines().for_each(|line| progress.say(line));
        return print(&text).map(|()| exit::CLEAN);
    }
    write(&path, &text, args.force)?;
    print(&format!("{}\nWrote {}.\n\n{}", said(&found), path.display(), next(&found)))?;
    Ok(exit::CLEAN)
}

fn exists(path: &Path) -> Stop {
    Stop::usage(anyhow!(
        "{} is there already: --force overwrites it, --print shows what would be written",
        path.display()
    ))
}

fn write(path: &PathBuf, text: &str, force: bool) -> Result<(), Stop> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Stop::usage(anyhow!("cannot write {}: {error}", path.display())),
    })
}

/// What was detected and what was not, one line each.
fn said(found: &Found) -> String {
    let mut lines = Vec::new();
    let mut tell = |what: &str, each: Vec<String>, none: &str| {
        let all = if each.is_empty() { vec![none.to_owned()] } else { each };
        for (index, line) in all.iter().take(LISTED).enumerate() {
            let heading = if index == 0 { what } else { "" };
            lines.push(format!("{heading:<12} {}", visible(line)));
        }
        if all.len() > LISTED {
            lines.push(format!("{:<12} and {} more", "", all.len() - LISTED));
        }
    };
    let migrations = found.migrations.iter().map(|each| format!("{}: {}", each.folder, each.description())).collect();
    tell("Migrations", migrations, "not found: no folder of SQL files that a migration tool would read");
    let queries = found.queries.iter().map(|each| format!("{}: {}", each.path, each.description())).collect();
    tell("Hot queries", queries, "not found: no sqlc.yaml and no .sql files with `-- name:` lines");
    let ci = found.ci.iter().map(|(path, name)| format!("{path}: {name}")).collect();
    tell("CI", ci, "not found");
    if found.migrations.len() > 1 {
        let text = "several folders of migrations: choose one in seatrial.toml, or make a [[database]] entry for each";
        tell("", vec![text.to_owned()], "");
    }
    lines.join("\n") + "\n"
}

/// The next command to run.
fn next(found: &Found) -> String {
    let mut text = String::from("Next, make a dump and rehearse what is pending:\n\n");
    text.push_str("  pg_dump --format=custom --file=production.dump \"$DATABASE_URL\"\n");
    let migrations = if found.chosen().is_some() { "" } else { "MIGRATIONS " };
    text.push_str(&format!("  seatrial check {migrations}--source production.dump\n"));
    if let Some((_, name)) = found.ci.first() {
        text.push_str(&format!("\nIn {name}, with a dump that is fetched there, and report/ kept as an artefact:\n\n"));
        text.push_str(&format!("  seatrial check {migrations}--source production.dump --out report\n"));
    }
    text
}
