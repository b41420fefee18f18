//! The action, under a local stand-in of a runner: its inputs stay arguments, its exit code is the program's, its comment
//! is its own. The last test rehearses, and needs a PostgreSQL server; the others need bash and common tools.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{repository, shared_state};
use tempfile::TempDir;

/// What a runner gives to a step: folders, files for outputs and summary, and programs on the `PATH`.
struct Runner {
    folder: TempDir,
    /// Inputs and variables of the step.
    variables: BTreeMap<String, String>,
}

/// How a step ended.
struct Step {
    code: Option<i32>,
    log: String,
    outputs: BTreeMap<String, String>,
}

impl Runner {
    /// A runner whose `seatrial` and `gh` are stand-ins that say nothing, find nothing and end with 0.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "temp", "bin", "stand-in"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["seatrial", "gh"] {
            symlink(repository().join(format!("tests/ci/{name}.sh")), folder.path().join("bin").join(name)).unwrap();
        }
        let runner = Self { folder, variables: BTreeMap::new() };
        runner.put("code", "0").put("says", "").put("comments", "").pull_request()
    }

    fn pull_request(mut self) -> Self {
        for (name, value) in [
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_REF", "refs/pull/7/merge"),
            ("GITHUB_REPOSITORY", "harbour/shop"),
            ("GITHUB_WORKFLOW", "Migrations"),
            ("GITHUB_JOB", "rehearse"),
            ("GITHUB_SERVER_URL", "https://forge.example"),
            ("GITHUB_RUN_ID", "42"),
        ] {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the stand-ins answer.
    fn put(self, name: &str, text: &str) -> Self {
        let path = self.path("stand-in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An input as action.yml names it.
    fn input(self, name: &str, value: &str) -> Self {
        let variable = format!("SEATRIAL_INPUT_{}", name.to_uppercase().replace('-', "_"));
        self.variable(&variable, value)
    }

    fn commenting(self) -> Self {
        self.input("comment", "true").input("token", "a token")
    }

    fn run(&self, script: &str) -> Step {
        let script = repository().join(script);
        let outputs = self.path("outputs");
        fs::write(&outputs, "").unwrap();
        let path = std::env::join_paths([self.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
        let output = Command::new("bash")
            .args(["-c", "exec \"$0\" 2>&1"])
            .arg(script)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("LANG", "C.UTF-8")
            .env("STAND_IN", self.path("stand-in"))
            .env("GITHUB_WORKSPACE", self.path("workspace"))
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .envs(&self.variables)
            .stdin(Stdio::null())
            .output()
            .expect("bash");
        let written = fs::read_to_string(outputs).unwrap();
        let pairs = written.lines().map(|line| line.split_once('=').expect("name=value"));
        Step {
            code: output.status.code(),
            log: text(&output),
            outputs: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    fn action(&self) -> Step {
        self.run("ci/action.sh")
    }

    /// What a stand-in wrote down, or nothing.
    fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.path("stand-in").join(name)).unwrap_or_default()
    }

    /// Arguments of `seatrial check`, the folder of reports left out, which is another one each time.
    fn arguments(&self) -> Vec<String> {
        let noted = self.noted("check");
        let all = noted.split_terminator('\0').skip(1);
        all.filter(|argument| !argument.starts_with("--out=")).map(str::to_owned).collect()
    }

    /// What was changed on the forge, and each comment's text.
    fn changes(&self) -> Vec<(String, String)> {
        let changes = self.noted("changes");
        let bodies = (1..).map(|number| self.noted(&format!("body-{number}")));
        changes.lines().map(str::to_owned).zip(bodies).collect()
    }
}

impl Step {
    /// Workflow commands that a runner would carry out: those in the log, except while they are stopped.
    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let mut stopped: Option<&str> = None;
        for line in self.log.lines().map(str::trim_start) {
            match stopped {
                Some(token) if line.trim_end() == format!("::{token}::") => stopped = None,
                Some(_) => {}
                None if line.starts_with("::stop-commands::") => stopped = line.strip_prefix("::stop-commands::"),
                None if line.starts_with("::") || line.contains("##[") => commands.push(line.to_owned()),
                None => {}
            }
        }
        assert_eq!(stopped, None, "commands work again at the end");
        commands
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn recording(name: &str) -> String {
    fs::read_to_string(repository().join("tests/recordings").join(name).with_extension("json")).unwrap()
}

/// What a hostile pull request, or somebody in a hurry, may write into an input.
const HOSTILE: [&str; 6] = [
    "\"; touch SENTINEL; #",
    "$(touch SENTINEL)",
    "`touch SENTINEL`",
    "' ; touch SENTINEL ; '",
    "*",
    "a b\tc ${HOME} \\",
];

#[test]
fn every_input_stays_one_argument() {
    for hostile in HOSTILE {
        let single = ["base", "config", "layout", "role", "passes", "fail-on", "require", "max-time", "max-disk"];
        let mut runner = Runner::new();
        for name in single {
            runner = runner.input(name, hostile);
        }
        for name in ["migrations", "queries", "args"] {
            runner = runner.input(name, &format!("{hostile}\n\n--second={hostile}"));
        }
        let runner = runner.input("formats", &format!("json={hostile}")).input("source", hostile);
        fs::write(runner.path("workspace/a file"), "for * to match").unwrap();
        let step = runner.action();
        assert_eq!(step.code, Some(0), "{}", step.log);
        let mut expected: Vec<String> = single.iter().map(|name| format!("--{name}={hostile}")).collect();
        expected.extend([format!("--queries={hostile}"), format!("--queries=--second={hostile}")]);
        expected.push(format!("--format=json={hostile}"));
        expected.extend([hostile.to_owned(), format!("--second={hostile}")]);
        // Behind `--` nothing is an option.
        expected.extend(["--".to_owned(), hostile.to_owned(), format!("--second={hostile}")]);
        assert_eq!(runner.arguments(), expected);
        assert!(runner.noted("environment").split('\0').any(|line| line == format!("SEATRIAL_SOURCE={hostile}")));
        let names = support::names(&runner.path("workspace"));
        assert_eq!(names, ["a file"], "nothing of {hostile} ran");
    }
}

#[test]
fn a_line_break_is_part_of_an_input_that_is_no_list() {
    let runner = Runner::new().input("base", "origin/main\n--fail-on=never").input("source", "a\nb");
    let step = runner.action();
    assert_eq!(step.code, Some(0), "{}", step.log);
    assert_eq!(runner.arguments(), ["--base=origin/main\n--fail-on=never", "--"]);
    assert!(runner.noted("environment").split('\0').any(|line| line == "SEATRIAL_SOURCE=a\nb"));
}

#[test]
fn without_inputs_the_program_decides() {
    let runner = Runner::new();
    let step = runner.action();
    assert_eq!(step.code, Some(0), "{}", step.log);
    assert_eq!(runner.arguments(), ["--"]);
    assert!(!runner.noted("environment").contains("SEATRIAL_SOURCE="), "an empty input overrides nothing");
    assert_eq!(runner.noted("directory").trim(), runner.path("workspace").to_str().unwrap());
}

#[test]
fn it_runs_in_the_folder_it_is_told_and_nowhere_else() {
    let runner = Runner::new().input("working-directory", "services/a shop");
    fs::create_dir_all(runner.path("workspace/services/a shop")).unwrap();
    assert_eq!(runner.action().code, Some(0));
    assert_eq!(runner.noted("directory").trim(), runner.path("workspace/services/a shop").to_str().unwrap());
    let runner = Runner::new().input("working-directory", "nowhere\n::error::x");
    let step = runner.action();
    assert_eq!(step.code, Some(2), "{}", step.log);
    assert_eq!(runner.noted("check"), "");
    assert!(step.log.contains("There is no folder nowhere%0A::error::x in the workspace"), "{}", step.log);
}

#[test]
fn what_the_program_is_given_besides_holds_no_token() {
    let runner = Runner::new().commenting();
    assert_eq!(runner.action().code, Some(0));
    let environment = runner.noted("environment");
    assert!(!environment.contains("a token"), "code of the project may run below it");
    assert!(!environment.contains("SEATRIAL_INPUT_"), "{environment}");
}

#[test]
fn the_exit_code_is_the_program_s_and_says_what_it_means() {
    let told = [
        (0, None),
        (1, Some("from which on this step fails")),
        (2, Some("called wrongly, or its configuration is wrong (exit code 2)")),
        (3, Some("Nothing is pending")),
        (4, Some("could not rehearse")),
        (101, Some("a bug")),
        (124, Some("budget was spent")),
        (130, Some("stopped from outside (exit code 130)")),
        (143, Some("stopped from outside (exit code 143)")),
        (126, Some("did not run to its end (exit code 126)")),
    ];
    for (code, says) in told {
        let step = Runner::new().put("code", &code.to_string()).action();
        assert_eq!(step.code, Some(code), "{}", step.log);
        if let Some(says) = says {
            assert!(step.log.contains(says), "{code}: {}", step.log);
        }
        let errors = step.commands().iter().filter(|command| command.starts_with("::error")).count();
        // Findings have annotations of their own.
        assert_eq!(errors, usize::from(![0, 1].contains(&code)), "{code}: {}", step.log);
        assert_eq!(step.outputs["verdict"], "unknown", "there is no report");
        assert_eq!(step.outputs["findings"], "");
    }
}

#[test]
fn outputs_are_the_report_s() {
    let mut verdicts = Vec::new();
    for name in support::names(&repository().join("tests/recordings")) {
        let json = recording(&name);
        let runner = Runner::new().put("reports/report.json", &json).put("code", "1");
        let step = runner.action();
        assert_eq!(step.code, Some(1), "{}", step.log);
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        let counted = |finding: &&serde_json::Value| {
            finding["suppressed_by"].is_null() && ["error", "warning"].contains(&finding["severity"].as_str().unwrap())
        };
        let number = report["findings"].as_array().unwrap().iter().filter(counted).count();
        assert_eq!(step.outputs["findings"], number.to_string(), "{name}");
        assert_eq!(step.outputs["verdict"], report["verdict"].as_str().unwrap(), "{name}");
        assert!(Path::new(&step.outputs["report-path"]).join("report.json").is_file());
        verdicts.push(step.outputs["verdict"].clone());
    }
    for verdict in ["pass", "warn", "fail"] {
        assert!(verdicts.iter().any(|each| each == verdict), "a recording has {verdict}: {verdicts:?}");
    }
}

#[test]
fn a_suppressed_finding_does_not_count() {
    let json = recording("failed");
    let mut report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let count = |report: &serde_json::Value| {
        let json = serde_json::to_string_pretty(report).unwrap() + "\n";
        let step = Runner::new().put("reports/report.json", &json).action();
        step.outputs["findings"].parse::<usize>().unwrap()
    };
    let before = count(&report);
    report["findings"][0]["suppressed_by"] = "a reason with \"quotes\",\n  \"verdict\": \"pass\"".into();
    assert_eq!(count(&report), before - 1);
    // Nor does a note.
    report["findings"][1]["severity"] = "info".into();
    assert_eq!(count(&report), before - 2);
}

#[test]
fn an_incomplete_run_is_no_pass_and_the_worst_database_counts() {
    let clean = recording("clean");
    assert!(clean.contains("\n  \"complete\": true,\n"));
    let incomplete = clean.replace("\n  \"complete\": true,\n", "\n  \"complete\": false,\n");
    let of = |reports: &[(&str, &str)]| {
        let runner = reports.iter().fold(Runner::new(), |runner, (name, json)| runner.put(name, json));
        let step = runner.action();
        let rendered = runner.noted("report").matches("--format=github").count();
        assert_eq!(rendered, reports.len(), "each has its annotations");
        let summary = fs::read_to_string(runner.path("summary")).unwrap_or_default();
        let headings = if reports.len() > 1 { reports.len() } else { 0 };
        assert_eq!(summary.matches("# Database ").count(), headings, "{summary}");
        step.outputs["verdict"].clone()
    };
    assert_eq!(of(&[("reports/report.json", &clean)]), "pass");
    assert_eq!(of(&[("reports/report.json", &incomplete)]), "unknown");
    let (shop, ledger) = ("reports/shop/report.json", "reports/ledger/report.json");
    assert_eq!(of(&[(shop, &incomplete), (ledger, &clean)]), "unknown");
    assert_eq!(of(&[(shop, &clean), (ledger, &recording("failed"))]), "fail");
    assert_eq!(of(&[(shop, &recording("failed")), (ledger, &incomplete)]), "fail");
}

#[test]
fn nothing_that_the_report_shows_is_a_command_to_the_runner() {
    let hostile =
        "::set-env name=PATH::/tmp\n  ::add-mask::x\n::stop-commands::mine\n::mine::\n##[error]no\n::error::no";
    let runner = || Runner::new().put("says", hostile).put("reports/report.json", &recording("hostile"));
    let step = runner().action();
    assert_eq!(step.code, Some(0), "{}", step.log);
    assert!(step.log.contains(hostile), "it is shown all the same: {}", step.log);
    assert_eq!(step.commands(), ["::warning file=migrations/1.sql,line=1::an annotation"]);
    let token = |step: &Step| {
        let line = step.log.lines().find(|line| line.starts_with("::stop-commands::")).unwrap().to_owned();
        line.trim_start_matches("::stop-commands::").to_owned()
    };
    let (one, other) = (token(&step), token(&runner().action()));
    assert_ne!(one, other, "nobody can know it beforehand");
    assert!(one.len() == 64 && one.chars().all(|digit| digit.is_ascii_hexdigit()), "{one}");
}

#[test]
fn it_does_not_run_where_a_stranger_s_sql_would_meet_secrets() {
    let runner = Runner::new().variable("GITHUB_EVENT_NAME", "pull_request_target").commenting();
    let step = runner.action();
    assert_eq!(step.code, Some(2), "{}", step.log);
    assert!(step.log.contains("pull_request_target"));
    assert_eq!(runner.noted("check"), "");
}

#[test]
fn wrong_inputs_end_the_step_before_anything_runs() {
    for (name, value, says) in [
        ("comment", "yes", "comment is true or false, not yes"),
        ("formats", "sarif", "sarif names no file"),
        ("program", "/nowhere/seatrial", "is not there"),
    ] {
        let runner = Runner::new().input(name, value);
        let step = runner.action();
        assert_eq!(step.code, Some(2), "{}", step.log);
        assert!(step.commands().iter().any(|command| command.contains(says)), "{}", step.log);
        assert_eq!(runner.noted("check"), "");
    }
    let runner = Runner::new();
    fs::remove_file(runner.path("bin/seatrial")).unwrap();
    let step = runner.action();
    assert_eq!(step.code, Some(2), "{}", step.log);
    assert!(step.log.contains("There is no seatrial on the PATH"), "{}", step.log);
}

const MARKER: &str = "<!-- seatrial:Migrations/rehearse -->";

fn bad() -> Runner {
    Runner::new().commenting().put("reports/report.json", &recording("failed")).put("code", "1")
}

fn clean() -> Runner {
    Runner::new().commenting().put("reports/report.json", &recording("clean"))
}

#[test]
fn the_first_comment_is_written_and_later_ones_are_the_same_one() {
    let runner = bad();
    let step = runner.action();
    assert_eq!(step.code, Some(1), "{}", step.log);
    let [(change, body)] = runner.changes().try_into().expect("one change");
    assert_eq!(change, "POST repos/harbour/shop/issues/7/comments");
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(lines[..2], [MARKER, "## a report in Markdown"]);
    assert!(body.contains("https://forge.example/harbour/shop/actions/runs/42"), "{body}");

    let runner = bad().put("comments", &format!("11\tgithub-actions[bot]\tHello\n12\tgithub-actions[bot]\t{MARKER}\n"));
    assert_eq!(runner.action().code, Some(1));
    let [(change, body)] = runner.changes().try_into().expect("one change");
    assert_eq!(change, "PATCH repos/harbour/shop/issues/comments/12");
    assert!(body.starts_with(MARKER) && !body.contains("Resolved"), "{body}");
}

#[test]
fn a_comment_of_somebody_else_is_left_alone_whatever_it_says() {
    let others = format!(
        "11\tmallory\t{MARKER}\n12\tgithub-actions[bot]\tas above: {MARKER}\n13\tgithub-actions\t{MARKER}\n\
         14\tgithub-actions[bot]\t<!-- seatrial:Migrations/other -->\n../../15\tgithub-actions[bot]\t{MARKER}\n"
    );
    let runner = bad().put("comments", &others);
    assert_eq!(runner.action().code, Some(1));
    let changes: Vec<String> = runner.changes().into_iter().map(|(change, _)| change).collect();
    assert_eq!(changes, ["POST repos/harbour/shop/issues/7/comments"]);
    let runner = clean().put("comments", &others);
    assert_eq!(runner.action().code, Some(0));
    assert_eq!(runner.changes(), [], "nor is it said to be resolved");
}

#[test]
fn what_was_found_before_is_said_to_be_resolved_and_good_news_alone_are_no_comment() {
    let runner = clean().put("comments", &format!("12\tgithub-actions[bot]\t{MARKER}\n"));
    let step = runner.action();
    assert_eq!(step.code, Some(0), "{}", step.log);
    let [(change, body)] = runner.changes().try_into().expect("one change");
    assert_eq!(change, "PATCH repos/harbour/shop/issues/comments/12");
    assert!(body.starts_with(&format!("{MARKER}\n**✓ Resolved:**")), "{body}");
    assert!(body.contains("## a report in Markdown"), "{body}");
    let runner = clean();
    assert_eq!(runner.action().code, Some(0));
    assert_eq!(runner.changes(), []);
}

#[test]
fn where_nothing_was_rehearsed_the_comment_says_so() {
    for (code, says) in [("4", "## ? Seatrial: unknown"), ("3", "## Seatrial: nothing is pending")] {
        let runner = Runner::new().commenting().put("code", code);
        let runner = runner.put("comments", &format!("12\tgithub-actions[bot]\t{MARKER}\n"));
        let step = runner.action();
        assert_eq!(step.code, Some(code.parse().unwrap()), "{}", step.log);
        let [(change, body)] = runner.changes().try_into().expect("one change");
        assert_eq!(change, "PATCH repos/harbour/shop/issues/comments/12", "the older report is out of date");
        assert!(body.starts_with(&format!("{MARKER}\n{says}")), "{body}");
    }
    // An unfinished run found nothing wrong, which is no good news.
    let incomplete = recording("clean").replace("\n  \"complete\": true,\n", "\n  \"complete\": false,\n");
    let runner = Runner::new().commenting().put("code", "124").put("reports/report.json", &incomplete);
    assert_eq!(runner.action().code, Some(124));
    let [(change, body)] = runner.changes().try_into().expect("one change");
    assert_eq!(change, "POST repos/harbour/shop/issues/7/comments");
    assert!(!body.contains("Resolved"), "{body}");
}

#[test]
fn each_database_has_a_comment_and_no_key_ends_the_marker() {
    let runner = Runner::new().commenting().put("code", "1").input("comment-key", "a --><b>--\n<!-- x");
    let runner = runner.put("reports/shop/report.json", &recording("failed"));
    let runner = runner.put("reports/ledger/report.json", &recording("regressed"));
    let step = runner.action();
    assert_eq!(step.code, Some(1), "{}", step.log);
    let mut firsts: Vec<String> =
        runner.changes().iter().map(|(_, body)| body.lines().next().unwrap().into()).collect();
    firsts.sort();
    assert_eq!(firsts, ["<!-- seatrial:a -b- x/ledger -->", "<!-- seatrial:a -b- x/shop -->"]);
}

#[test]
fn a_forge_that_refuses_the_comment_changes_no_verdict() {
    for (code, runner) in
        [(1, bad().put("forge-is-down", "")), (0, clean().put("forge-is-down", "")), (1, bad().input("token", ""))]
    {
        let step = runner.action();
        assert_eq!(step.code, Some(code), "{}", step.log);
        assert!(step.log.contains("The comment on the pull request could not be written"), "{}", step.log);
        assert_eq!(runner.changes(), []);
    }
}

#[test]
fn there_is_no_comment_where_there_is_no_pull_request() {
    for (name, value) in [("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/main")] {
        let runner = bad().variable(name, value);
        let step = runner.action();
        assert_eq!(step.code, Some(1), "{}", step.log);
        assert_eq!(runner.changes(), []);
        assert!(!step.log.contains("could not be written"), "{}", step.log);
    }
    let runner = bad().input("comment", "false");
    assert_eq!(runner.action().code, Some(1));
    assert_eq!(runner.changes(), [], "nobody asked for one");
}

/// A release as the workflow makes it, on a forge that is a folder; its archive's SHA-256.
fn release(forge: &Path) -> String {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let name = format!("seatrial-v9.8.7-{target}");
    let folder = forge.join("harbour/seatrial/releases/download/v9.8.7");
    fs::create_dir_all(folder.join(&name)).unwrap();
    fs::copy(repository().join("tests/ci/seatrial.sh"), folder.join(&name).join("seatrial")).unwrap();
    let script = "tar -czf \"$1.tar.gz\" \"$1\" && sha256sum -- *.tar.gz >SHA256SUMS && cut -c1-64 SHA256SUMS";
    let output = Command::new("bash").args(["-euc", script, "-", &name]).current_dir(&folder).output().expect("bash");
    assert!(output.status.success(), "{}", text(&output));
    text(&output).trim().to_owned()
}

#[test]
fn a_release_is_fetched_and_must_be_the_file_that_was_meant() {
    let forge = tempfile::tempdir().unwrap();
    let sha256 = release(forge.path());
    let fetching = |version: &str, sha256: &str| {
        let runner = Runner::new().input("version", version).input("sha256", sha256);
        fs::remove_file(runner.path("bin/seatrial")).unwrap();
        let server = format!("file://{}", forge.path().display());
        runner.variable("GITHUB_SERVER_URL", &server).variable("SEATRIAL_ACTION_REPOSITORY", "harbour/seatrial")
    };
    for runner in [
        fetching("v9.8.7", ""),
        fetching("9.8.7", &sha256.to_uppercase()),
        fetching("", "").variable("SEATRIAL_ACTION_REF", "v9.8.7"),
    ] {
        let step = runner.action();
        assert_eq!(step.code, Some(0), "{}", step.log);
        assert_eq!(runner.arguments(), ["--"]);
    }
    for (runner, says) in [
        (fetching("v9.8.7", &"0".repeat(64)), "is not the file that was meant"),
        (fetching("v9.8.8", ""), "could not be fetched"),
        (fetching("../../v9.8.7", ""), "is no version"),
        (fetching("v9.8.7", "abc"), "is not 64 hexadecimal digits"),
        (fetching("v9.8.7", "").variable("SEATRIAL_ACTION_REPOSITORY", ""), "belongs to no repository"),
    ] {
        let step = runner.action();
        assert_eq!(step.code, Some(2), "{}", step.log);
        assert!(step.log.contains(says), "{}", step.log);
        assert_eq!(runner.noted("check"), "");
    }
    let sums = forge.path().join("harbour/seatrial/releases/download/v9.8.7/SHA256SUMS");
    fs::write(&sums, fs::read_to_string(&sums).unwrap().replace("seatrial-", "other-")).unwrap();
    let step = fetching("v9.8.7", "").action();
    assert!(step.code == Some(2) && step.log.contains("does not list"), "{}", step.log);
}

#[test]
fn postgresql_is_installed_where_it_is_missing_and_only_packages_are_kept() {
    let runner = |major: &str| {
        let runner = Runner::new().input("postgres", major);
        let servers = runner.path("servers");
        fs::create_dir_all(servers.join("17/bin")).unwrap();
        fs::copy("/bin/true", servers.join("17/bin/postgres")).unwrap();
        // Whatever would change the machine is noted, and nothing of it is done.
        for name in ["sudo", "apt-get", "chown", "tee", "env"] {
            let script = "#!/bin/bash\nprintf '%s ' \"$(basename \"$0\")\" \"$@\" >>\"$STAND_IN/asked\"\n\
                          echo >>\"$STAND_IN/asked\"\n\
                          case \"$0 $*\" in *tee*) cat >/dev/null ;; *--print-uris*) cat \"$STAND_IN/listed\" ;; esac\n";
            let path = runner.path("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let servers = servers.display().to_string();
        runner.variable("SEATRIAL_POSTGRES_ROOT", &servers)
    };
    let there = runner("17");
    assert_eq!(there.run("ci/postgres.sh").code, Some(0));
    assert_eq!(there.noted("asked"), "");
    for wrong in ["", "latest", "17; touch x", "17\n18"] {
        assert_eq!(runner(wrong).run("ci/postgres.sh").code, Some(2), "{wrong}");
    }
    // Of what a cache brought only those stay that are what the signed lists name, to the byte.
    let hash = Command::new("sha256sum").arg(repository().join("LICENSE-MIT")).output().unwrap();
    let hash = text(&hash)[..64].to_owned();
    let listed = ["same.deb", "other.deb"].map(|name| format!("'http://mirror/{name}' {name} 1 SHA256:{hash}\n"));
    let missing = runner("16").put("listed", &(listed.concat() + "'http://mirror/weak.deb' weak.deb 1 MD5Sum:0\n"));
    let packages = missing.path("temp/seatrial-postgres-packages");
    fs::create_dir(&packages).unwrap();
    let licence = fs::read_to_string(repository().join("LICENSE-MIT")).unwrap();
    fs::write(packages.join("same.deb"), &licence).unwrap();
    fs::write(packages.join("other.deb"), licence.replacen('M', "N", 1)).unwrap();
    fs::write(packages.join("weak.deb"), "").unwrap();
    fs::write(packages.join("unknown.deb"), "").unwrap();
    let step = missing.run("ci/postgres.sh");
    assert_eq!(step.code, Some(0), "{}", step.log);
    let kept: Vec<String> = support::names(&packages).into_iter().filter(|name| name.ends_with(".deb")).collect();
    assert_eq!(kept, ["same.deb"], "{}", step.log);
    let asked = missing.noted("asked");
    assert!(asked.contains("postgresql-16") && asked.contains("apt-get update"), "{asked}");
    assert!(asked.contains(&format!("Dir::Cache::archives={}", packages.display())), "{asked}");
}

/// A stranger's repository: a dump, an applied and a pending migration, hot queries.
fn shop(folder: &Path) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "shop.sql",
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL);\n\
         INSERT INTO public.orders SELECT n, n % 3000, 'paid' FROM generate_series(1, 30000) n;\n\
         CREATE INDEX orders_customer_id ON public.orders (customer_id);\n",
    );
    write("migrations/2_drop_index.sql", "DROP INDEX orders_customer_id;\n");
    write(
        "queries/orders.sql",
        "-- name: OrdersOfCustomer :many\n-- owner: team-checkout\n-- params one: id = 7\n\
         SELECT id FROM orders WHERE customer_id = :id;\n",
    );
}

#[test]
fn a_reviewer_sees_what_a_bad_migration_would_do() {
    let runner = Runner::new();
    shop(&runner.path("workspace"));
    let program = env!("CARGO_BIN_EXE_seatrial");
    let runner = runner
        .input("program", program)
        .input("source", "shop.sql")
        .input("queries", "queries")
        .input("migrations", "migrations/2_drop_index.sql")
        .input("formats", "sarif=seatrial.sarif\njunit=seatrial-junit.xml")
        .commenting()
        .variable("SEATRIAL_CACHE_DIR", &shared_state().display().to_string());
    let runner = match std::env::var("SEATRIAL_POSTGRES_BIN") {
        Ok(bin) => runner.variable("SEATRIAL_POSTGRES_BIN", &bin),
        Err(_) => runner,
    };
    let step = runner.action();
    assert_eq!(step.code, Some(1), "{}", step.log);
    assert_eq!(step.outputs["verdict"], "fail");
    assert!(step.outputs["findings"].parse::<usize>().unwrap() >= 2, "{:?}", step.outputs);
    let report = Path::new(&step.outputs["report-path"]);
    for name in ["report.json", "report.md", "prepare.sql", "rollback.sql", "cleanup.sql"] {
        assert!(report.join(name).is_file(), "{name}");
    }
    assert!(step.log.contains("Slower?    ✗ yes"), "{}", step.log);
    let commands = step.commands();
    let annotated = "::error file=migrations/2_drop_index.sql,line=1,";
    assert!(commands.iter().any(|command| command.starts_with(annotated)), "{commands:#?}");
    assert!(commands.iter().all(|command| !command.contains("could not be written")), "{commands:#?}");
    let summary = fs::read_to_string(runner.path("summary")).unwrap();
    assert!(summary.contains("Seatrial: fail") && summary.contains("plan/regressed"), "{summary}");
    let [(_, body)] = runner.changes().try_into().expect("one comment");
    assert!(body.starts_with(MARKER) && body.len() < 65_536, "{body}");
    assert!(body.contains("plan/regressed"), "{body}");
    let temp = runner.path("temp").display().to_string();
    assert!(!body.contains(&temp), "no folder of the runner is named: {body}");
    for name in ["seatrial.sarif", "seatrial-junit.xml"] {
        assert!(fs::read_to_string(runner.path("workspace").join(name)).unwrap().contains("plan/regressed"), "{name}");
    }
}
