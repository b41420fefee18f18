//! `queries import`: reads what was named, asks a server what is what, and merges it into a file.

use super::ground::Ground;
use super::{Stop, exit, run, settings};
use crate::cli::ImportArgs;
use crate::command::bases::sqlite_source;
use crate::config::Settings;
use crate::copy::url::SecretUrl;
use crate::copy::{origin, statements};
use crate::engine::postgres::identify::{Identified, identify};
use crate::engine::postgres::session::Session;
use crate::progress::Progress;
use crate::workload::import::{self, Found, Import, Refused, has_constants, lexical_identity, registry, view};
use crate::workload::source::{Loaded, is_known, load_each, load_strictly};
use crate::workload::{HotQuery, naming};
use anyhow::anyhow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Refusals told one by one.
const TOLD: usize = 40;
/// `insufficient_privilege`: a role that may look at statistics need not be one that may read tables.
const NO_RIGHT: &str = "42501";

pub(super) fn import(args: &ImportArgs) -> Result<u8, Stop> {
    let settings = settings(&args.registered, &args.ground)?;
    run(import_into(args, &settings))
}

async fn import_into(args: &ImportArgs, settings: &Settings) -> Result<u8, Stop> {
    let progress = Progress::new(args.ground.quiet);
    let into = into(args, settings);
    let to_stdout = into == Path::new("-");
    // What is there already: a file that cannot be read cannot be merged with.
    let text = if to_stdout { String::new() } else { held(&into)? };
    let there = match text.trim().is_empty() {
        true => Vec::new(),
        false => {
            load_strictly(std::slice::from_ref(&into), &settings.root, settings.layout_options.dialect)
                .map_err(Stop::usage)?
                .queries
        }
    };
    let registered = if settings.queries.is_empty() {
        Loaded::default()
    } else {
        load_each(&settings.queries, &settings.root, settings.layout_options.dialect).unwrap_or_default()
    };
    let mut all = Import::default();
    let mut live = None;
    for from in &args.from {
        let read = read(from, args, settings, &mut live, progress).await?;
        all.found.extend(read.found);
        all.refused.extend(read.refused);
    }
    let known: Vec<&HotQuery> = there.iter().chain(&registered.queries).collect();
    let Asked { found, known_by, refused, notes } = ask(all.found, &known, settings, live, progress).await?;
    all.refused.extend(refused);
    notes.iter().for_each(|note| progress.say(note));

    let taken: BTreeSet<String> = known.iter().map(|query| query.name.clone()).collect();
    let mut names = registry::Names::new(taken);
    let (mut entries, mut weights, mut values) = (Vec::new(), Vec::new(), 0);
    for (key, mut each) in found {
        // A registered query has a key by its text where the server told no identity of it.
        if let Some(name) = known_by.get(&key).or_else(|| known_by.get(&lexical_identity(&each.sql))) {
            weights.push((name.clone(), each.calls));
            continue;
        }
        each.owner = each.owner.or_else(|| args.owner.clone());
        let wanted = each.name.clone().unwrap_or_else(|| naming::name(&each.sql));
        values +=
            if args.no_values { 0 } else { each.sets.len() + usize::from(each.logged && has_constants(&each.sql)) };
        entries.push(registry::entry(&names.free(&wanted), &each, !args.no_values));
    }
    // Places in a file are counted without its byte order mark.
    let (mark, body) = text.strip_prefix('\u{feff}').map_or(("", text.as_str()), |body| ("\u{feff}", body));
    let merged = registry::merge(body, &there, &weights, &entries);
    if to_stdout {
        super::super::print(&merged.text)?;
    } else if merged.text != body {
        if held(&into)? != text {
            return Err(Stop::usage(anyhow!("{} was changed meanwhile: import once more", into.display())));
        }
        write(&into, &format!("{mark}{}", merged.text))?;
    }
    let place = if to_stdout { "standard output".to_owned() } else { into.display().to_string() };
    progress.say(&format!(
        "{} new in {place}, {} registered already, {} weights brought up to date, {} not imported",
        entries.len(),
        weights.len(),
        merged.updated.len(),
        all.refused.len()
    ));
    for each in all.refused.iter().take(TOLD) {
        progress.say(&format!("not imported: {}: {}", each.place, each.reason));
    }
    if all.refused.len() > TOLD {
        progress.say(&format!("and {} more", all.refused.len() - TOLD));
    }
    if values > 0 {
        progress
            .say("values of parameters and constants were written, as they were seen: leave them out with --no-values");
    }
    if entries.is_empty() && weights.is_empty() {
        return Err(Stop::usage(anyhow!("nothing to import in {}", shown(&args.from))));
    }
    Ok(exit::CLEAN)
}

/// Sources as they may be shown.
fn shown(from: &[String]) -> String {
    let one = |from: &String| if is_url(from) { "the server".to_owned() } else { from.clone() };
    from.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn is_url(from: &str) -> bool {
    from.starts_with("postgres://") || from.starts_with("postgresql://")
}

/// The file to write.
fn into(args: &ImportArgs, settings: &Settings) -> PathBuf {
    let folder = settings.queries.iter().find(|path| path.is_dir() && !path.ends_with(".sqlx"));
    let default = || folder.map_or_else(|| settings.root.join("queries"), Clone::clone).join("imported.sql");
    args.into.clone().unwrap_or_else(default)
}

/// What the file holds so far: nothing where there is none.
fn held(path: &Path) -> Result<String, Stop> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| Stop::usage(anyhow!("cannot merge with {}: {error}", path.display()))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    // Whole or not at all.
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    made.and_then(|()| std::fs::write(&fresh, text))
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(|error| Stop::environment(anyhow!("cannot write {}: {error}", path.display())))
}

/// What one source holds, told by what it is.
async fn read(
    from: &str,
    args: &ImportArgs,
    settings: &Settings,
    live: &mut Option<Session>,
    progress: Progress,
) -> Result<Import, Stop> {
    if is_url(from) {
        let url = SecretUrl::parse(from).map_err(Stop::usage)?;
        progress.say(&format!("reading pg_stat_statements in {url}, read-only"));
        let mut session = origin::connect(&url).await.map_err(Stop::environment)?;
        let rows = statements::read(&mut session, &url).await.map_err(Stop::environment)?;
        *live = Some(session);
        return Ok(view::take(&format!("pg_stat_statements in {url}"), rows, args.top));
    }
    if let Some((scheme, _)) = from.split_once("://") {
        return Err(Stop::usage(anyhow!("{scheme}://… is no address this can read: write postgres://…")));
    }
    if from.contains("password=") {
        return Err(Stop::usage(anyhow!("a server's address is written as postgres://…")));
    }
    let path = Path::new(from);
    if path.is_dir() || is_known(from) {
        let loaded =
            load_each(&[path.to_path_buf()], &settings.root, settings.layout_options.dialect).map_err(Stop::usage)?;
        return Ok(of_files(loaded));
    }
    let bytes = std::fs::read(path).map_err(|error| Stop::usage(anyhow!("cannot read {from}: {error}")))?;
    // A log may hold what clients sent in any encoding.
    let text = String::from_utf8_lossy(&bytes);
    let read = view::read_csv(from, &text, args.top).or_else(|| {
        import::log::read(from, &text).map(|log| match args.no_values {
            true => without_constants(log),
            false => log,
        })
    });
    read.ok_or_else(|| {
        Stop::usage(anyhow!(
            "{from} is no log of PostgreSQL (in English), no pg_stat_statements saved as CSV with a header, and no file of \
             queries (.sql, .sqlx/query-*.json)"
        ))
    })
}

fn without_constants(mut log: Import) -> Import {
    for each in &mut log.found {
        each.sql = import::without_constants(&each.sql);
        each.parameters = (1..=import::parameters(&each.sql)).map(|number| number.to_string()).collect();
        each.sets.clear();
    }
    log
}

fn of_files(loaded: Loaded) -> Import {
    let refused = loaded.refused.iter().chain(&loaded.passed_over);
    // Each of them names its own place.
    let refused = refused.map(|error| Refused { place: "files".to_owned(), reason: error.to_string() }).collect();
    let found = loaded.queries.into_iter().map(|query| Found {
        place: query.place(),
        calls: query.weight,
        sets: query.sets.into_iter().map(|set| (set.values, 1)).collect(),
        name: Some(query.name),
        owner: query.owner,
        sql: query.sql,
        parameters: query.parameters,
        types: query.types,
        logged: false,
        identity: None,
    });
    Import { found: found.collect(), refused }
}

/// What is known once a server was asked.
struct Asked {
    /// By identity, the most frequent first.
    found: Vec<(String, Found)>,
    /// Names of registered queries by identity.
    known_by: BTreeMap<String, String>,
    refused: Vec<Refused>,
    notes: Vec<String>,
}

/// Asks a copy of the source; else the server that is imported from; else nobody.
async fn ask(
    found: Vec<Found>,
    known: &[&HotQuery],
    settings: &Settings,
    live: Option<Session>,
    progress: Progress,
) -> Result<Asked, Stop> {
    let as_query = |each: &Found| HotQuery {
        parameters: each.parameters.clone(),
        types: each.types.clone(),
        ..HotQuery::bare("import", &each.sql)
    };
    let queries: Vec<HotQuery> = found.iter().map(as_query).collect();
    let all = || queries.iter().chain(known.iter().copied());
    let (mut ground, mut notes, mut is_live) = (None, Vec::new(), false);
    let sqlite = sqlite_source(settings)?.is_some();
    let session = match (settings.source.as_deref().filter(|_| !sqlite), live) {
        (Some(source), _) => {
            let made = Ground::make(settings, source, known, progress).await?;
            let session = made.copy.target.session("import").await.map_err(Stop::environment)?;
            ground = Some(made);
            Some(session)
        }
        (None, Some(session)) => {
            is_live = true;
            Some(session)
        }
        (None, None) => {
            let why = if sqlite { "the source is SQLite's" } else { "no --source" };
            notes.push(format!("{why}: nothing was planned, and duplicates are told by their text"));
            None
        }
    };
    let identified = match session {
        Some(mut session) => {
            let identified = identify(&mut session, all()).await;
            session.close().await;
            identified
        }
        None => all().map(|_| Identified::Planned(None)).collect(),
    };
    if let Some(ground) = ground {
        ground.remove().await?;
    }
    let key = |identity: Option<String>, sql: &str| identity.unwrap_or_else(|| lexical_identity(sql));
    let (mut kept, mut refused, mut known_by) = (Vec::new(), Vec::new(), BTreeMap::new());
    let (new, old) = identified.split_at(queries.len());
    for (each, identified) in found.into_iter().zip(new) {
        let own = each.identity.clone().filter(|_| is_live);
        let identity = match identified {
            Identified::Planned(identity) => key(identity.clone().or(own), &each.sql),
            Identified::Refused { sqlstate, .. } if is_live && sqlstate == NO_RIGHT => key(own, &each.sql),
            Identified::Refused { message, .. } => {
                let name = each.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
                refused.push(Refused { place: format!("{}{name}", each.place), reason: message.clone() });
                continue;
            }
        };
        kept.push(Found { identity: Some(identity), ..each });
    }
    for (query, identified) in known.iter().zip(old) {
        let identity = match identified {
            Identified::Planned(identity) => identity.clone(),
            Identified::Refused { .. } => None,
        };
        known_by.entry(key(identity, &query.sql)).or_insert_with(|| query.name.clone());
    }
    let merged = import::merge(kept, |each| each.identity.clone().unwrap_or_default());
    let found = merged.into_iter().map(|each| (each.identity.clone().unwrap_or_default(), each)).collect();
    Ok(Asked { found, known_by, refused, notes })
}
