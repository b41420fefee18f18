//! End to end: each folder below `scenarios/` is a migration and what a rehearsal of it has to say.
//!
//! `migrations/` is passed file by file, or as a directory if `expected.json` says so. Without a `source.sql` or
//! `queries/` of its own a scenario happens in the shop of `tests/shop/`. Every error and warning has to be listed;
//! the other keys of `expected.json` compare what they name. One that says `like` happens where that other one does. A `seatrial.toml` there is the project's.
#![allow(clippy::unwrap_used)]

mod support;

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Ran, copy_folder, names, project, run, seatrial, shared_state};

/// `expected.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// What the scenario shows, for people.
    promise: String,
    /// `migrations/` is passed as a directory.
    #[serde(default)]
    directory: bool,
    /// It happens where this other scenario does.
    #[serde(default)]
    like: Option<String>,
    /// What it runs on, where that is not PostgreSQL.
    #[serde(default)]
    engine: Option<String>,
    /// Only the measured pass runs.
    #[serde(default)]
    measure_only: bool,
    /// No hot queries are registered.
    #[serde(default)]
    without_queries: bool,
    /// Further options.
    #[serde(default)]
    args: Vec<String>,
    exit_code: i32,
    /// Answers to compare; one that depends on the machine's speed is left out.
    answers: BTreeMap<String, String>,
    findings: Vec<Told>,
    /// Findings about the source and the queries alone: they are there without any migration too.
    #[serde(default)]
    unchanged: Vec<Told>,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    rollback: Option<String>,
    /// Objects each of which is in the locks of a statement, key by key.
    #[serde(default)]
    locks: Vec<Value>,
    /// Relations locked by a statement, all of them.
    #[serde(default)]
    only_locks: BTreeMap<String, BTreeSet<String>>,
    /// Relations rewritten by a statement, all of them.
    #[serde(default)]
    rewritten: BTreeMap<String, Vec<String>>,
    /// Objects each of which is in the report's indexes, key by key.
    #[serde(default)]
    indexes: Vec<Value>,
    /// Objects each of which is in the report's queries, key by key.
    #[serde(default)]
    queries: Vec<Value>,
    /// Words in the message or advice of a finding, by its id; of an answer's summary, by its name.
    #[serde(default)]
    says: BTreeMap<String, String>,
    /// Numbers in the evidence of a finding.
    #[serde(default)]
    evidence: Vec<Value>,
    /// Findings for which this is the example that causes them, in `docs/examples/`.
    #[serde(default)]
    causes: Vec<String>,
    /// Findings for which this is the example that does not.
    #[serde(default)]
    avoids: Vec<String>,
    /// How each statement ended.
    #[serde(default)]
    outcomes: Option<Vec<String>>,
    /// SQLSTATE of a statement.
    #[serde(default)]
    sqlstates: BTreeMap<String, String>,
    /// Transaction mode of each pending migration.
    #[serde(default)]
    transactions: Option<Vec<String>>,
    /// What gets slower by each pending migration alone.
    #[serde(default)]
    migrations_slower: Option<Vec<String>>,
    /// Version of each pending migration.
    #[serde(default)]
    versions: Option<Vec<String>>,
}

/// A finding, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: String,
    severity: String,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    suppressed: bool,
}

/// One test for each scenario, and one more for each source or set of queries of its own: unchanged, it gives nothing.
macro_rules! scenarios {
    (
        in_the_shop: [$($shared:ident),* $(,)?],
        like_another: [$($like:ident),* $(,)?],
        elsewhere: [$($own:ident),* $(,)?] $(,)?
    ) => {
        mod in_the_shop { $(#[test] fn $shared() { super::rehearse(stringify!($shared)); })* }
        mod like_another { $(#[test] fn $like() { super::rehearse(stringify!($like)); })* }
        mod elsewhere { $(#[test] fn $own() { super::rehearse(stringify!($own)); })* }
        mod unchanged { $(#[test] fn $own() { super::rehearse_nothing(stringify!($own)); })* }

        #[test]
        fn the_folders_on_disk_are_the_scenarios_tested() {
            let spelled = |name: &&str| name.replace('_', "-");
            let (shared, like) = ([$(stringify!($shared)),*], [$(stringify!($like)),*]);
            let own = [$(stringify!($own)),*];
            let tested: BTreeSet<String> = shared.iter().chain(&like).chain(&own).map(spelled).collect();
            let on_disk: BTreeSet<String> = names(&folder("")).into_iter().collect();
            assert_eq!(tested, on_disk);
            let has_own = |name: &String| {
                folder(name).join("source.sql").exists() || folder(name).join("queries").exists() || expected(name).without_queries
            };
            let is_like = |name: &String| expected(name).like.is_some();
            assert_eq!(like.iter().map(spelled).collect::<BTreeSet<_>>(), on_disk.iter().filter(|name| is_like(name)).cloned().collect());
            assert_eq!(own.iter().map(spelled).collect::<BTreeSet<_>>(), on_disk.into_iter().filter(has_own).collect());
        }
    };
}

scenarios! {
    in_the_shop: [
        add_check_not_valid,
        add_check_scan,
        add_check_validate_later,
        add_check_validate_same_transaction,
        add_column_constant_default,
        add_column_empty,
        add_column_generated_stored,
        add_column_identity,
        add_column_inline_check,
        add_column_references,
        add_column_references_with_default,
        add_column_serial,
        add_column_volatile_default,
        add_column_with_unique,
        add_exclusion_constraint,
        add_foreign_key_not_valid,
        add_foreign_key_scan,
        add_foreign_key_scan_both,
        add_foreign_key_with_index,
        add_not_null_column_without_default,
        add_primary_key_using_index,
        add_primary_key_using_index_nullable,
        add_unique,
        add_unique_using_index,
        allow_only_its_statement,
        allow_unknown,
        allow_unused,
        allow_used,
        allow_without_reason,
        allow_without_statement,
        alter_type_int_to_bigint,
        alter_type_narrower,
        alter_type_rebuilds_index,
        alter_type_under_check,
        alter_type_varchar_to_text,
        alter_type_varchar_wider,
        backfill_new_column,
        blamed_statement,
        blamed_statement_in_script_transaction,
        check_violated,
        check_violated_at_validate,
        cluster,
        column_twice,
        comment_and_default,
        create_index,
        create_index_concurrently,
        create_index_concurrently_duplicates,
        create_table_and_fill,
        delete_rows,
        disable_trigger,
        do_batches_with_commit,
        do_block_harmless,
        do_block_rewrite,
        down_exact,
        down_fails,
        down_forgets,
        down_loses_rows,
        drop_column_empty,
        drop_column_of_view,
        drop_column_with_data,
        drop_foreign_key,
        drop_index_concurrently,
        drop_index_in_transaction,
        drop_index_in_use,
        drop_index_not_in_use,
        drop_index_of_constraint,
        drop_table_with_data,
        duplicate_index,
        enum_add_value,
        enum_label_used_at_once,
        explicit_transaction,
        explicit_transaction_rolled_back,
        fail_on_never,
        fail_on_warning,
        fails_after_settings,
        fails_half_way,
        fill_under_lock,
        foreign_key_unnamed,
        foreign_key_violated,
        foreign_key_without_index,
        grant_to_public,
        grant_to_role,
        identifier_truncated,
        index_in_another_tablespace,
        index_made_needless,
        large_update,
        lock_held_long,
        maintenance_concurrently,
        narrowing_refused,
        needs_privilege_alter_system,
        needs_privilege_before_others,
        needs_privilege_extension,
        not_null_violated,
        nothing,
        only_comments,
        queue_behind_transaction,
        queue_ended_by_lock_timeout,
        refresh_materialized_view,
        reindex,
        rename_column,
        rename_column_hot_query,
        rename_enum_label,
        rename_table,
        replace_view_and_function,
        retry_after_failed_build,
        retry_comes_through,
        retry_counts_twice,
        retry_fails,
        retry_random_values,
        revoke,
        second_migration_fails,
        set_logged_already,
        set_not_null_behind_check,
        set_not_null_drops_its_check,
        set_not_null_scan,
        set_unlogged,
        short_locks,
        short_locks_without_end,
        stall_behind_rewrite,
        stall_none_beside_concurrent_build,
        subset_drop_index_in_use,
        subset_drop_index_not_in_use,
        table_behind_view,
        table_of_the_same_run,
        table_swapped,
        trigger_for_replicas_only,
        truncate,
        two_step_regression,
        type_changed_beside_deleted_rows,
        unique_violated,
        update_few_rows,
        vacuum_full,
        weak_locks,
    ],
    like_another: [
        attach_partition_behind_check,
        detach_partition,
        domain_check_not_valid,
        foreign_table_beside,
        foreign_table_touched,
        key_far_from_limit,
        lock_timeout_reset_in_script,
        lock_timeout_set_in_script,
        many_tables_in_script_transaction,
        many_tables_one_by_one,
        no_lock_timeout,
        partitioned_add_check,
        partitioned_create_index,
        partitioned_create_index_by_parts,
        partitioned_drop_column,
        partitioned_drop_table,
        partitioned_volatile_default,
        replica_identity_kept,
        row_security_with_policy,
        severity_of_the_project,
        slower_without_cause,
        small_tables_that_matter,
        sqlite_foreign_keys_off_in_time,
        sqlite_foreign_keys_on,
        sqlite_older_version,
        sqlite_orphans,
        sqlite_orphans_deleted_first,
        sqlite_pragma_in_transaction,
        sqlite_rebuild_bare,
        sqlite_rebuild_says_less,
        sqlite_renamed_out_of_the_way,
        sqlite_required_column,
        sqlite_required_column_with_default,
        sqlite_version_new_enough,
        sqlx_edited_applied,
        sqlx_failure_rolls_back,
        sqlx_lock_until_commit,
        sqlx_no_transaction,
        sqlx_nothing_pending,
        sqlx_nothing_pending_required,
        sqlx_pending_only,
    ],
    elsewhere: [
        attach_partition_scan,
        bloating_backfill,
        budgets_missed,
        create_index_improves_query,
        create_partition_beside_default,
        disable_row_security,
        domain_check,
        drawn_parameter_sets,
        foreign_file_touched,
        foreign_key_loses_index,
        foreign_partition,
        foreign_table_hot_query,
        generic_and_custom_plans,
        hot_query_fails_before,
        hot_query_fails_with_every_set,
        hot_query_function_replaced,
        hot_query_out_of_time,
        index_type_changed,
        key_near_limit,
        large_object_granted,
        large_object_unlinked,
        lock_timeout_local_and_over,
        many_tables,
        materialized_view_emptied,
        no_hot_queries,
        odd_names,
        operator_function_replaced,
        partitioned_add_column,
        partitioned_small_partitions,
        policy_changed,
        replica_identity_index_dropped,
        replica_identity_lost,
        rewrite_loses_visibility_map,
        role_setting_changed,
        row_security_hides_rows,
        small_tables,
        sqlite_rebuild_complete,
        sqlx_concurrently_in_transaction,
        statement_timeout,
        trigger_on_written_table,
        values_changed,
        writing_hot_query,
    ],
}

/// Each line of `docs/hazards.md` names a scenario that raises the finding and one that does not.
#[test]
fn every_hazard_has_a_scenario_that_shows_it_and_a_silent_one() {
    let page = std::fs::read_to_string(support::repository().join("docs/hazards.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| hazard"))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert!(rows.len() > 60, "{}", rows.len());
    for row in rows {
        let [hazard, id, shown, silent] = row[..] else { panic!("{row:?}") };
        let raises = |name: &str| expected(name).findings.iter().any(|told| told.id == id);
        assert!(raises(shown), "{hazard}: {shown} does not raise {id}");
        assert!(!raises(silent), "{hazard}: {silent} raises {id}");
    }
}

fn folder(name: &str) -> PathBuf {
    support::repository().join("tests/scenarios").join(name.replace('_', "-"))
}

fn expected(name: &str) -> Expected {
    let path = folder(name).join("expected.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A working directory with the scenario's source and queries, and the command that rehearses there.
fn prepare(name: &str, expected: &Expected) -> (tempfile::TempDir, Command) {
    let (from, shop) = (folder(name), support::repository().join("tests/shop"));
    let place = expected.like.as_deref().map_or_else(|| from.clone(), folder);
    let or_shop = |part: &str| if place.join(part).exists() { place.join(part) } else { shop.join(part) };
    let project = project();
    std::fs::copy(or_shop("source.sql"), project.path().join("source.sql")).unwrap();
    if from.join("seatrial.toml").exists() {
        std::fs::copy(from.join("seatrial.toml"), project.path().join("seatrial.toml")).unwrap();
    }
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "--source", "source.sql", "--format", "json"]);
    if let Some(engine) = &expected.engine {
        command.args(["--engine", engine]);
    }
    if expected.measure_only {
        command.args(["--passes", "measure"]);
    }
    if !expected.without_queries {
        copy_folder(&or_shop("queries"), &project.path().join("queries"));
        command.args(["--queries", "queries"]);
    }
    (project, command)
}

fn rehearse(name: &str) {
    let expected = expected(name);
    let (project, mut command) = prepare(name, &expected);
    let migrations = project.path().join("migrations");
    copy_folder(&folder(name).join("migrations"), &migrations);
    if expected.directory {
        command.arg("migrations");
    } else {
        command.args(names(&migrations).iter().map(|file| Path::new("migrations").join(file)));
    }
    let ran = run(command.args(&expected.args));
    let differences = compare(&expected, &ran, &ran.report());
    assert!(differences.is_empty(), "\n{name}: {}\n{differences}\n{}", expected.promise, ran.stderr);
    examples(&expected, &migrations, &ran.report());
}

/// Compares the examples in `docs/examples/` with what was just rehearsed, numbers apart, or writes them
/// (`SEATRIAL_BLESS=1`).
fn examples(expected: &Expected, migrations: &Path, report: &Value) {
    let mut shown = String::new();
    for file in names(migrations) {
        let sql = std::fs::read_to_string(migrations.join(&file)).unwrap();
        write!(shown, "```sql\n-- {file}\n{}\n```\n\n", sql.trim_end()).unwrap();
    }
    for id in &expected.causes {
        let mut said = String::new();
        for finding in items(&report["findings"]).filter(|finding| finding["id"] == **id) {
            let place = match (finding["file"].as_str(), finding["line"].as_u64()) {
                (Some(file), Some(line)) => format!("{}:{line}: ", file.rsplit('/').next().unwrap()),
                _ => String::new(),
            };
            writeln!(said, "{}  {place}{}", text(&finding["severity"]), text(&finding["message"])).unwrap();
            writeln!(said, "       {}", text(&finding["advice"])).unwrap();
        }
        assert!(!said.is_empty(), "{id} is not found here");
        is_written(id, "causes", &format!("{shown}The rehearsal says:\n\n```text\n{said}```\n"));
    }
    for id in &expected.avoids {
        assert!(!items(&report["findings"]).any(|finding| finding["id"] == **id), "{id} is found here");
        is_written(id, "avoids", &format!("{}\n", shown.trim_end()));
    }
}

fn is_written(id: &str, part: &str, text: &str) {
    let file = support::repository().join(format!("docs/examples/{id}/{part}.md"));
    if std::env::var_os("SEATRIAL_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    // How long and how much is the machine's and the server version's business.
    let without_numbers = |text: &str| -> Vec<String> {
        text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.len() > 2).map(str::to_owned).collect()
    };
    assert_eq!(without_numbers(&written), without_numbers(text), "{}: SEATRIAL_BLESS=1 writes it", file.display());
}

/// The identity rehearsal: what changes nothing is no finding, on any source, with any queries.
fn rehearse_nothing(name: &str) {
    let expected = expected(name);
    let (project, mut command) = prepare(name, &expected);
    std::fs::write(project.path().join("nothing.sql"), "SELECT 1;\n").unwrap();
    let ran = run(command.arg("nothing.sql"));
    // Budgets are absolute: a query that misses its own is told without any migration.
    let missed = expected.unchanged.iter().any(|told| told.severity == "error");
    let slower = match (expected.without_queries, missed) {
        (true, _) => "unknown",
        (false, true) => "yes",
        (false, false) => "no",
    };
    let undoable = if expected.measure_only { "unknown" } else { "yes" };
    let answers = [("applies", "yes"), ("blocks", "no"), ("slower", slower), ("undoable", undoable)];
    let mut differences = String::new();
    compare_findings(&expected.unchanged, &ran.report(), &mut differences);
    let answers = answers.into_iter().map(|(answer, verdict)| (answer.to_owned(), verdict.to_owned())).collect();
    compare_answers(&answers, &ran.report(), &mut differences);
    say_if(&mut differences, "exit code", &Some(i32::from(missed)), &ran.code);
    assert!(differences.is_empty(), "\nunchanged source and queries of {name}\n{differences}\n{}", ran.stderr);
}

fn say_if<T: PartialEq + std::fmt::Debug>(differences: &mut String, what: &str, expected: &T, found: &T) {
    if expected != found {
        writeln!(differences, "  {what}: expected {expected:?}, found {found:?}").unwrap();
    }
}

fn compare(expected: &Expected, ran: &Ran, report: &Value) -> String {
    let mut differences = String::new();
    let it = &mut differences;
    say_if(it, "exit code", &Some(expected.exit_code), &ran.code);
    compare_answers(&expected.answers, report, it);
    compare_findings(&expected.findings, report, it);
    compare_words(&expected.says, report, it);
    keeps_its_word(report, ran, it);
    if let Some(verdict) = &expected.verdict {
        say_if(it, "verdict", &Some(verdict.as_str()), &report["verdict"].as_str());
    }
    if let Some(verdict) = &expected.rollback {
        say_if(it, "rollback", &Some(verdict.as_str()), &report["rollback"]["verdict"].as_str());
        if report["rollback"]["verdict"] != *verdict {
            writeln!(it, "    {}", report["rollback"]["differences"]).unwrap();
        }
    }
    let statements: Vec<&Value> =
        items(&report["migrations"]).flat_map(|migration| items(&migration["statements"])).collect();
    let statement =
        |index: &Value| statements.iter().find(|each| each["index"] == *index).copied().unwrap_or(&Value::Null);
    for lock in &expected.locks {
        let mut wanted = lock.clone();
        let index = wanted.as_object_mut().unwrap().remove("statement").unwrap();
        contains(it, "lock", &wanted, &statement(&index)["locks"]);
    }
    let by_name = |index: &str| statement(&index.parse::<u64>().unwrap().into());
    for (index, relations) in &expected.only_locks {
        let found = items(&by_name(index)["locks"]).map(|lock| text(&lock["relation"])).collect();
        say_if(it, &format!("relations locked by statement {index}"), relations, &found);
    }
    for (index, relations) in &expected.rewritten {
        let found = items(&by_name(index)["rewritten"]).map(text).collect();
        say_if(it, &format!("relations rewritten by statement {index}"), relations, &found);
    }
    for (index, sqlstate) in &expected.sqlstates {
        say_if(
            it,
            &format!("SQLSTATE of statement {index}"),
            &Some(sqlstate.as_str()),
            &by_name(index)["sqlstate"].as_str(),
        );
    }
    for index in &expected.indexes {
        contains(it, "index", index, &report["indexes"]);
    }
    for query in &expected.queries {
        contains(it, "query", query, &report["queries"]);
    }
    for evidence in &expected.evidence {
        let mut wanted = evidence.clone();
        let id = wanted.as_object_mut().unwrap().remove("id").unwrap();
        let found =
            items(&report["findings"]).filter(|finding| finding["id"] == id).map(|finding| finding["evidence"].clone());
        contains(it, &format!("evidence of {id}"), &wanted, &found.collect());
    }
    let each = |what: &str| items(&report["migrations"]).map(|migration| text(&migration[what])).collect::<Vec<_>>();
    if let Some(modes) = &expected.transactions {
        say_if(it, "transaction modes", modes, &each("transaction"));
    }
    if let Some(versions) = &expected.versions {
        say_if(it, "versions", versions, &each("version"));
    }
    if let Some(slower) = &expected.migrations_slower {
        say_if(it, "slower", slower, &each("slower"));
    }
    if let Some(outcomes) = &expected.outcomes {
        say_if(it, "outcomes", outcomes, &statements.iter().map(|each| text(&each["outcome"])).collect());
    }
    differences
}

fn compare_answers(expected: &BTreeMap<String, String>, report: &Value, differences: &mut String) {
    for (answer, verdict) in expected {
        let found = &report["answers"][answer];
        if found["verdict"] != **verdict {
            writeln!(differences, "  {answer}: expected {verdict}, found {} ({})", found["verdict"], found["summary"])
                .unwrap();
        }
    }
}

/// Errors and warnings, each as often as expected.
fn compare_findings(expected: &[Told], report: &Value, differences: &mut String) {
    let mut missing: Vec<Told> = expected.to_vec();
    for finding in &mut missing {
        finding.objects.sort();
    }
    for finding in items(&report["findings"]).filter(|finding| finding["severity"] != "info") {
        let mut told = Told {
            id: text(&finding["id"]),
            severity: text(&finding["severity"]),
            file: finding["file"].as_str().map(str::to_owned),
            line: finding["line"].as_u64(),
            objects: items(&finding["objects"]).map(text).collect(),
            query: finding["query"].as_str().map(str::to_owned),
            suppressed: !finding["suppressed_by"].is_null(),
        };
        told.objects.sort();
        match missing.iter().position(|each| *each == told) {
            Some(at) => drop(missing.remove(at)),
            None => writeln!(differences, "  + {}\n      {}", line(&told), text(&finding["message"])).unwrap(),
        }
    }
    for finding in missing {
        writeln!(differences, "  - {}", line(&finding)).unwrap();
    }
}

/// Words of findings and answers.
fn compare_words(expected: &BTreeMap<String, String>, report: &Value, differences: &mut String) {
    for (of, words) in expected {
        let mut told: Vec<String> = items(&report["findings"])
            .filter(|finding| finding["id"] == of.as_str())
            .map(|finding| format!("{} {}", text(&finding["message"]), text(&finding["advice"])))
            .collect();
        told.extend(report["answers"].get(of).map(|answer| text(&answer["summary"])));
        if !told.iter().any(|told| told.contains(words)) {
            writeln!(differences, "  {of}: expected to say {words:?}, says {told:?}").unwrap();
        }
    }
}

fn line(told: &Told) -> String {
    let Told { id, severity, file, line, objects, query, suppressed } = told;
    let place = match (file, line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ => "no place".to_owned(),
    };
    let query = query.as_ref().map_or_else(String::new, |query| format!(" query {query}"));
    format!("{severity} {id} {place} {objects:?}{query}{}", if *suppressed { " (suppressed)" } else { "" })
}

/// What holds for every report, whatever was rehearsed.
fn keeps_its_word(report: &Value, ran: &Ran, differences: &mut String) {
    say_if(differences, "complete", &true, &(report["complete"] == true));
    say_if(differences, "exit_code in the report", &ran.code.map(i64::from), &report["exit_code"].as_i64());
    let unsuppressed = |severity: &str| {
        items(&report["findings"]).any(|finding| finding["severity"] == severity && finding["suppressed_by"].is_null())
    };
    let verdict = if unsuppressed("error") {
        "fail"
    } else if unsuppressed("warning") {
        "warn"
    } else {
        "pass"
    };
    say_if(differences, "verdict of these findings", &Some(verdict), &report["verdict"].as_str());
    let rollback = &report["rollback"];
    if rollback["verdict"] == "exact" {
        for part in ["schema", "catalog", "rows"] {
            say_if(differences, &format!("exact, so proof.{part}"), &Some("equal"), &rollback["proof"][part].as_str());
        }
    }
    if let Err(error) = seatrial::report::v1::Report::from_json(&ran.stdout) {
        writeln!(differences, "  the report cannot be read back: {error}").unwrap();
    }
}

/// One of the list has every key of `wanted` with the same value.
fn contains(differences: &mut String, what: &str, wanted: &Value, list: &Value) {
    let keys = wanted.as_object().unwrap();
    if !items(list).any(|item| keys.iter().all(|(key, value)| item[key] == *value)) {
        let shown: Vec<String> = items(list)
            .map(|item| keys.keys().map(|key| format!("{key} {}", item[key])).collect::<Vec<_>>().join(", "))
            .collect();
        writeln!(differences, "  {what}: expected {wanted}, found {shown:?}").unwrap();
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
