//! Files that other programs read: the action, workflows, the GitLab job, hooks and the container's recipe. Needs no server.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{copy_folder, names, repository};
use yaml_rust2::{Yaml, YamlLoader};

fn read(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let [document] = documents.try_into().unwrap_or_else(|_| panic!("{name} is one document"));
    document
}

fn keys(yaml: &Yaml) -> Vec<&str> {
    yaml.as_hash().expect("a table").keys().map(|key| key.as_str().unwrap_or_default()).collect()
}

fn workflows() -> Vec<String> {
    names(&repository().join(".github/workflows")).iter().map(|name| format!(".github/workflows/{name}")).collect()
}

/// Every step of an action or of a workflow's jobs.
fn steps(yaml: &Yaml) -> Vec<&Yaml> {
    let own = yaml["runs"]["steps"].as_vec().into_iter().flatten();
    let jobs = yaml["jobs"].as_hash().into_iter().flat_map(|jobs| jobs.values());
    own.chain(jobs.flat_map(|job| job["steps"].as_vec().expect("a job has steps"))).collect()
}

#[test]
fn no_expression_reaches_a_shell() {
    let files: Vec<String> = workflows().into_iter().chain(["action.yml".to_owned()]).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let yaml = yaml(&file);
        let runs: Vec<&str> = steps(&yaml).iter().filter_map(|step| step["run"].as_str()).collect();
        assert!(runs.len() >= 2, "{file} runs something");
        for run in runs {
            assert!(!run.contains("${{"), "{file}: {run}");
        }
    }
}

#[test]
fn workflows_have_no_more_rights_than_they_need() {
    for file in workflows() {
        let yaml = yaml(&file);
        // `on` is a word to some readers of YAML and true to others.
        assert!(keys(&yaml).contains(&"on"), "{file}");
        assert!(!read(&file).contains("pull_request_target"), "{file}");
        let top = yaml["permissions"].as_hash().unwrap_or_else(|| panic!("{file}: permissions"));
        assert!(top.values().all(|right| right.as_str() == Some("read")), "{file}: a job asks for more by itself");
        for (name, job) in yaml["jobs"].as_hash().unwrap() {
            let writes = job["permissions"]
                .as_hash()
                .is_some_and(|rights| rights.values().any(|right| right.as_str() == Some("write")));
            let releases = file.ends_with("release.yml") && name.as_str() == Some("publish");
            assert_eq!(writes, releases, "{file}: {name:?}");
            assert!(job["timeout-minutes"].as_i64().is_some(), "{file}: {name:?} ends");
        }
    }
}

#[test]
fn actions_of_others_are_pinned() {
    for file in workflows().into_iter().chain(["action.yml".to_owned()]) {
        let text = read(&file);
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let (_, name) = line.split_once("uses: ").unwrap();
            let (action, pin) = name.split_once('@').unwrap_or_else(|| panic!("{file}: {line}"));
            assert!(action.starts_with("actions/"), "{file}: {line}");
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{file}: {line}"));
            assert!(commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{file}: {line}");
            assert!(version.starts_with(|digit: char| digit.is_ascii_digit()), "{file}: {line}");
        }
    }
}

#[test]
fn every_input_of_the_action_reaches_its_scripts_by_the_environment() {
    let action = yaml("action.yml");
    let scripts: String = ["ci/action.sh", "ci/postgres.sh"].map(read).concat();
    let mut passed = BTreeSet::new();
    for step in steps(&action) {
        for (variable, value) in step["env"].as_hash().into_iter().flatten() {
            let (variable, value) = (variable.as_str().unwrap(), value.as_str().unwrap());
            let Some(name) = variable.strip_prefix("SEATRIAL_INPUT_") else { continue };
            let input = name.to_lowercase().replace('_', "-");
            assert_eq!(value, format!("${{{{ inputs.{input} }}}}"));
            let read = [format!("take {name}\n"), format!(" {name}\n"), format!("{variable}:-")];
            assert!(read.iter().any(|read| scripts.contains(read)), "{variable} is read");
            passed.insert(input);
        }
    }
    let inputs: BTreeSet<String> = keys(&action["inputs"]).iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(passed, inputs);
    for (name, input) in action["inputs"].as_hash().unwrap() {
        assert!(input["description"].as_str().is_some() && input["default"].as_str().is_some(), "{name:?}");
    }
    for output in keys(&action["outputs"]) {
        assert!(read("ci/action.sh").contains(&format!("printf '{output}=%s\\n'")), "{output} is set");
        let value = action["outputs"][output]["value"].as_str().unwrap();
        assert_eq!(value, format!("${{{{ steps.check.outputs.{output} }}}}"));
    }
    assert_eq!(keys(&action["outputs"]), ["verdict", "findings", "report-path"]);
    let documented = read("docs/ci.md");
    for name in inputs {
        assert!(documented.contains(&format!("`{name}`")), "docs/ci.md explains {name}");
    }
}

#[test]
fn nothing_made_of_data_is_cached() {
    let action = yaml("action.yml");
    let caches: Vec<&Yaml> = steps(&action)
        .into_iter()
        .filter(|step| step["uses"].as_str().is_some_and(|name| name.contains("cache")))
        .collect();
    let [cache] = caches[..] else { panic!("{caches:?}") };
    assert_eq!(cache["with"]["path"].as_str(), Some("${{ runner.temp }}/seatrial-postgres-packages"));
    assert!(read("ci/postgres.sh").contains("packages=$RUNNER_TEMP/seatrial-postgres-packages\n"));
    for file in workflows() {
        assert!(!read(&file).contains("actions/cache"), "{file}");
    }
    assert!(yaml("ci/gitlab.yml")["seatrial"]["cache"].is_badvalue());
}

#[test]
fn the_gitlab_job_keeps_its_reports_whatever_happens() {
    let job = &yaml("ci/gitlab.yml")["seatrial"];
    let script = job["script"][0].as_str().unwrap();
    let artifacts = &job["artifacts"];
    assert_eq!(artifacts["when"].as_str(), Some("always"));
    let reports = &artifacts["reports"];
    let (quality, junit) = (reports["codequality"].as_str().unwrap(), reports["junit"].as_str().unwrap());
    for part in
        [format!("--format gitlab={quality}"), format!("--format junit={junit}"), "--out seatrial-report".into()]
    {
        assert!(script.contains(&part), "{script}");
    }
    assert_eq!(artifacts["paths"][0].as_str(), Some("seatrial-report/"));
    assert_eq!(job["variables"]["GIT_DEPTH"].as_str(), Some("0"), "the merge base is there");
}

#[test]
fn hooks_run_check_before_a_push() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hooks = hooks.as_vec().unwrap();
    let ids: Vec<&str> = hooks.iter().map(|hook| hook["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["seatrial", "seatrial-system", "seatrial-docker"]);
    for hook in hooks {
        assert_eq!(hook["files"].as_str(), Some(r"\.sql$"));
        let stages: Vec<&str> = hook["stages"].as_vec().unwrap().iter().map(|stage| stage.as_str().unwrap()).collect();
        assert_eq!(stages, ["pre-push", "manual"]);
        assert_eq!(hook["pass_filenames"].as_bool(), Some(false));
        assert!(hook["entry"].as_str().unwrap().ends_with("seatrial check --quiet"));
    }
}

/// Instructions of the Dockerfile with their arguments, continued lines joined.
fn dockerfile() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect()
}

#[test]
fn the_image_runs_as_nobody_special_and_brings_a_server() {
    let instructions = dockerfile();
    let last_stage = instructions.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let stage = &instructions[last_stage..];
    let of = |word: &str| -> Vec<&str> {
        stage.iter().filter(|(name, _)| name == word).map(|(_, rest)| rest.as_str()).collect()
    };
    assert_eq!(of("USER"), ["seatrial"]);
    let user = stage.iter().position(|(word, _)| word == "USER").unwrap();
    assert!(stage[user..].iter().all(|(word, _)| !["RUN", "COPY", "ADD"].contains(&word.as_str())));
    let run = of("RUN").join("\n");
    assert!(run.contains("useradd --system --create-home seatrial"), "{run}");
    assert!(run.contains("install-postgres.sh --yes") && run.contains(" git "), "{run}");
    assert_eq!(of("ENTRYPOINT"), [r#"["seatrial"]"#]);
    let cache = of("ENV").join("\n");
    assert_eq!(cache, "SEATRIAL_CACHE_DIR=/var/cache/seatrial");
    assert_eq!(of("VOLUME"), ["/var/cache/seatrial"]);
    assert!(run.contains("install -d -o seatrial -g seatrial -m 0700 /var/cache/seatrial"), "{run}");
}

/// Sources of each COPY that come from the clone.
fn copied() -> Vec<String> {
    let copies = dockerfile().into_iter().filter(|(word, rest)| word == "COPY" && !rest.starts_with("--from="));
    copies
        .flat_map(|(_, rest)| {
            let mut words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
            words.pop();
            words
        })
        .collect()
}

#[test]
fn what_the_image_is_built_from_is_there_and_enough() {
    let sources = copied();
    let ignored = read(".dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "nothing else is sent to the builder");
    assert_eq!(sources, sent);
    // What tools read from the root of a clone while they build.
    for name in ["askama.toml", "build.rs", "rust-toolchain.toml", ".cargo"] {
        let there = repository().join(name).exists();
        assert_eq!(sources.iter().any(|source| source == name), there, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    for source in &sources {
        let (from, to) = (repository().join(source), folder.path().join(source));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap_or_else(|error| panic!("{source}: {error}"));
        }
    }
    // Cargo finds every target there, and the source every file it takes in.
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version=1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut taken = 0;
    let mut folders = vec![folder.path().join("src")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if !entry.ends_with("tests.rs") {
                taken += taken_in(&entry, folder.path());
            }
        }
    }
    assert!(taken > 50, "the examples of findings are looked at: {taken}");
}

/// How many files from elsewhere this one takes in; each must be below `root`.
fn taken_in(file: &Path, root: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let outside_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut count = 0;
    for part in outside_tests.split("include_str!(\"").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(file.parent().unwrap().join(name).is_file(), "{}: {name}", file.display());
        count += 1;
    }
    for part in outside_tests.split("examples!(\"").skip(1) {
        let id = part.split('"').next().unwrap();
        for name in ["causes.md", "avoids.md"] {
            assert!(root.join("docs/examples").join(id).join(name).is_file(), "{id}: {name}");
            count += 1;
        }
    }
    count
}

#[test]
fn a_release_is_one_archive_that_the_action_can_fetch() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target/x86_64-unknown-linux-musl/release");
    fs::create_dir_all(&target).unwrap();
    // The program of a debug build is a hundred megabytes, which gzip would take half a minute for.
    let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_seatrial"));
    fs::write(target.join("seatrial"), program).unwrap();
    fs::set_permissions(target.join("seatrial"), fs::Permissions::from_mode(0o755)).unwrap();
    let release = |arguments: &[&str]| {
        let mut command = Command::new(repository().join("ci/release.sh"));
        command.args(arguments).env("CARGO_TARGET_DIR", folder.path().join("target")).output().unwrap()
    };
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert!(release(&["version", &version]).status.success());
    assert!(!release(&["version", "v99.0.0"]).status.success(), "a tag that is not the version is no release");
    let dist = folder.path().join("dist");
    let pack = |dist: &Path| {
        let output = release(&["pack", &version, "x86_64-unknown-linux-musl", dist.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    pack(&dist);
    assert!(release(&["checksums", dist.to_str().unwrap()]).status.success());
    let archive = format!("seatrial-{version}-x86_64-unknown-linux-musl.tar.gz");
    assert_eq!(names(&dist), ["SHA256SUMS", &archive]);
    let sums = fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    assert!(sums.ends_with(&format!("  {archive}\n")) && sums.lines().count() == 1, "{sums}");
    let listed = Command::new("tar").arg("-tzf").arg(dist.join(&archive)).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let top = archive.trim_end_matches(".tar.gz");
    for name in ["seatrial", "seatrial.1", "completions/seatrial.bash", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(listed.lines().any(|line| line == format!("{top}/{name}")), "{listed}");
    }
    // The same program packs to the same bytes.
    let again = folder.path().join("again");
    pack(&again);
    assert!(fs::read(dist.join(&archive)).unwrap() == fs::read(again.join(&archive)).unwrap());

    // download.sh and `cargo binstall` look for that name.
    assert!(read("ci/download.sh").contains("archive=seatrial-$version-$target.tar.gz\n"));
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let filled = |key: &str| {
        let text = binstall[key].as_str().unwrap().replace("{ version }", env!("CARGO_PKG_VERSION"));
        text.replace("{ target }", "x86_64-unknown-linux-musl").replace("{ bin }", "seatrial")
    };
    assert_eq!(filled("pkg-url"), format!("{{ repo }}/releases/download/{version}/{archive}"));
    assert_eq!(filled("bin-dir"), format!("{top}/seatrial"));
    let targets: Vec<String> = yaml(".github/workflows/release.yml")["jobs"]["build"]["strategy"]["matrix"]["include"]
        .as_vec()
        .unwrap()
        .iter()
        .map(|entry| entry["target"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(targets, ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]);
    assert!(targets.iter().all(|target| read("ci/download.sh").contains(&format!("target={target} "))));
    // SQLite and the cryptography of TLS are C: without a compiler for musl the build ends at the first of them.
    let steps = yaml(".github/workflows/release.yml")["jobs"]["build"]["steps"].clone();
    let step = |part: &str| {
        let runs = steps.as_vec().unwrap().iter();
        runs.map(|step| step["run"].as_str().unwrap_or_default()).position(|run| run.contains(part))
    };
    assert!(step("install --yes --no-install-recommends musl-tools").unwrap() < step("cargo build").unwrap());
}

#[test]
fn recipes_shown_are_what_these_systems_read() {
    let mut shown = 0;
    for name in names(&repository().join("docs")).iter().filter(|name| name.ends_with(".md")) {
        let page = read(&format!("docs/{name}"));
        for recipe in page.split("\n```yaml\n").skip(1) {
            let recipe = recipe.split("\n```").next().unwrap();
            let parsed = YamlLoader::load_from_str(recipe).unwrap_or_else(|error| panic!("{name}: {error}\n{recipe}"));
            assert_eq!(parsed.len(), 1, "{name}\n{recipe}");
            assert!(!recipe.contains("pull_request_target"), "{name}\n{recipe}");
            let inputs = yaml("action.yml");
            for step in steps(&parsed[0]) {
                let run = step["run"].as_str().unwrap_or_default();
                assert!(!run.contains("${{"), "{name}: {run}");
                if step["uses"].as_str().is_some_and(|action| action.contains("/seatrial@")) {
                    for input in keys(&step["with"]) {
                        assert!(!inputs["inputs"][input].is_badvalue(), "{name}: the action has no input {input}");
                    }
                }
            }
            shown += 1;
        }
    }
    assert!(shown >= 5, "{shown} recipes");
}

#[test]
fn the_workflow_runs_the_readme_s_test_command() {
    let ci = yaml(".github/workflows/ci.yml");
    let runs: Vec<&str> = steps(&ci).iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(runs.contains(&"scripts/test.sh --yes"), "{runs:?}");
    assert!(read("README.md").contains("```sh\nscripts/test.sh\n```"));
}

#[test]
fn scripts_stop_at_the_first_mistake_and_never_read_text_as_commands() {
    let scripts: Vec<PathBuf> = ["ci", "tests/ci"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    assert!(scripts.len() >= 7, "{scripts:?}");
    for script in scripts {
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.starts_with("#!/usr/bin/env bash\n") && text.contains("\nset -euo pipefail\n"), "{script:?}");
        assert!(!text.contains("eval "), "{script:?}");
        assert_eq!(script.metadata().unwrap().permissions().mode() & 0o111, 0o111, "{script:?} is executable");
        let parsed = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        assert!(parsed.status.success() && parsed.stderr.is_empty(), "{script:?}");
    }
}
