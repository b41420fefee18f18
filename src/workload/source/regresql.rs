//! RegreSQL's sets of parameters: `regresql/plans/…/<file>_<query>.yaml`, of which each entry is a set.

use super::WorkloadError;
use crate::migration::SourceFile;
use crate::workload::import::values::literal;
use crate::workload::{HotQuery, ParameterSet};
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

/// The folder of plans, beside which files of queries may stand at any depth; below it their folders are repeated.
const PLANS: &str = "regresql/plans";

/// The sets written for a query that has none of its own; nothing where the project has none.
///
/// # Errors
/// A file of sets that cannot be read, with its place; a set that does not fit the query's parameters.
pub(super) fn sets(query: &HotQuery) -> Result<Vec<ParameterSet>, WorkloadError> {
    let Some(path) = file_for(query).filter(|_| query.sets.is_empty() && !query.parameters.is_empty()) else {
        return Ok(Vec::new());
    };
    let folder = path.ancestors().find(|folder| folder.join(PLANS).is_dir()).unwrap_or(Path::new(""));
    let file = SourceFile::read(&path, folder)?;
    read(&file, query)
}

fn file_for(query: &HotQuery) -> Option<PathBuf> {
    let path = query.file.path.canonicalize().ok()?;
    let project = path.ancestors().skip(1).find(|folder| folder.join(PLANS).is_dir())?;
    let below = path.parent()?.strip_prefix(project).ok()?;
    let name = format!("{}_{}.yaml", path.file_stem()?.to_string_lossy(), query.name);
    Some(project.join(PLANS).join(below).join(name)).filter(|file| file.is_file())
}

fn read(file: &SourceFile, query: &HotQuery) -> Result<Vec<ParameterSet>, WorkloadError> {
    let wrong = |line: usize, reason: String| WorkloadError::Place { file: file.name.clone(), line, reason };
    let documents = YamlLoader::load_from_str(&file.text)
        .map_err(|error| wrong(error.marker().line(), format!("this is no YAML: {}", error.info())))?;
    let Some(Yaml::Hash(entries)) = documents.first() else {
        return Err(wrong(
            1,
            "no sets here: write `name:` and below it, indented, a value for each parameter".to_owned(),
        ));
    };
    let mut sets = Vec::new();
    for (name, given) in entries {
        let name = text(name).ok_or_else(|| wrong(1, "a set's name is a word or a number".to_owned()))?;
        let value = |parameter: &String| {
            // A parameter without a name is called by its place.
            let key = if parameter.bytes().all(|each| each.is_ascii_digit()) {
                format!("arg{parameter}")
            } else {
                parameter.clone()
            };
            let none = || wrong(1, format!("set {name} gives no single value for {key}"));
            given
                .as_hash()
                .and_then(|given| given.get(&Yaml::String(key.clone())))
                .and_then(expression)
                .ok_or_else(none)
        };
        let values = query.parameters.iter().map(value).collect::<Result<_, _>>()?;
        sets.push(ParameterSet { name, values, drawn: false });
    }
    Ok(sets)
}

fn text(scalar: &Yaml) -> Option<String> {
    match scalar {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A scalar as SQL; the server finds the type of a string.
fn expression(scalar: &Yaml) -> Option<String> {
    match scalar {
        Yaml::String(text) => Some(literal(text)),
        Yaml::Null => Some("NULL".to_owned()),
        other => text(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::migration::script::Dialect;
    use crate::workload::HotQuery;
    use crate::workload::source::load;

    /// What is loaded of a project with this file of sets.
    fn loaded(sql: &str, yaml: &str) -> Result<Vec<HotQuery>, String> {
        let folder = tempfile::tempdir().unwrap();
        let plans = folder.path().join("regresql/plans/src/sql");
        std::fs::create_dir_all(&plans).unwrap();
        std::fs::create_dir_all(folder.path().join("src/sql")).unwrap();
        std::fs::write(plans.join("crew_by-rank.yaml"), yaml).unwrap();
        std::fs::write(folder.path().join("src/sql/crew.sql"), sql).unwrap();
        load(&[folder.path().join("src")], folder.path(), Dialect::PostgreSql).map_err(|error| error.to_string())
    }

    const SQL: &str = "-- name: by-rank\nSELECT id FROM crew WHERE rank = :rank AND since > :since LIMIT :n;";

    #[test]
    fn each_entry_is_a_set() {
        let yaml =
            "\"1\":\n  rank: it's\n  since: 2026-01-02\n  n: 3\n\ntop-10:\n  n: \"10\"\n  rank: ~\n  since: now\n";
        let queries = loaded(SQL, yaml).unwrap();
        let sets: Vec<(&str, Vec<&str>)> = queries[0]
            .sets
            .iter()
            .map(|set| (set.name.as_str(), set.values.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(sets, [("1", vec!["'it''s'", "'2026-01-02'", "3"]), ("top-10", vec!["NULL", "'now'", "'10'"])]);
    }

    #[test]
    fn parameters_without_names_are_called_by_their_place() {
        let queries =
            loaded("-- name: by-rank\nSELECT id FROM crew WHERE rank = $1;", "\"1\":\n  arg1: 1.5\n").unwrap();
        assert_eq!(queries[0].sets[0].values, ["1.5"]);
    }

    #[test]
    fn sets_of_the_query_s_own_stand_above_the_file() {
        let sql = "-- name: by-rank\n-- params own: rank = 'x'\nSELECT id FROM crew WHERE rank = :rank;";
        assert_eq!(loaded(sql, "a: [").unwrap()[0].sets[0].name, "own");
    }

    #[test]
    fn what_is_no_set_is_refused_with_its_place() {
        for (yaml, said) in [
            ("a: [", "regresql/plans/src/sql/crew_by-rank.yaml:2: this is no YAML"),
            ("- 1\n", "no sets here"),
            ("typical:\n  rank: x\n  n: 1\n", "set typical gives no single value for since"),
            ("typical:\n  rank: [x]\n  since: x\n  n: 1\n", "set typical gives no single value for rank"),
        ] {
            let error = loaded(SQL, yaml).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
