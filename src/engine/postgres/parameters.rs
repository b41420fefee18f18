//! Server parameters that decide about plans, about memory and about how long a session waits: what a copy may be given
//! as production has it. Anything else could reach out of a copy, or change what a migration does.

/// What a parameter's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// `on` or `off`.
    Switch,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// A whole number with a unit of memory; without one in the server's own unit.
    Memory,
    /// A whole number with a unit of time; without one in milliseconds.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
}

use ParameterKind::{Integer, Memory, Real, Switch, Time, Word};

/// The parameters, by name, over all supported versions. Each may be set for a database and for a role.
///
/// Limits that what is measured beside a migration would use up are not among them: `transaction_timeout`,
/// `idle_in_transaction_session_timeout` and `temp_file_limit` would end a migration for what Seatrial does.
pub const PARAMETERS: [(&str, ParameterKind); 65] = [
    ("constraint_exclusion", Word(&["partition", "on", "off"])),
    ("cpu_index_tuple_cost", Real),
    ("cpu_operator_cost", Real),
    ("cpu_tuple_cost", Real),
    ("cursor_tuple_fraction", Real),
    ("deadlock_timeout", Time),
    ("default_statistics_target", Integer),
    ("effective_cache_size", Memory),
    ("effective_io_concurrency", Integer),
    ("enable_async_append", Switch),
    ("enable_bitmapscan", Switch),
    ("enable_distinct_reordering", Switch),
    ("enable_gathermerge", Switch),
    ("enable_group_by_reordering", Switch),
    ("enable_hashagg", Switch),
    ("enable_hashjoin", Switch),
    ("enable_incremental_sort", Switch),
    ("enable_indexonlyscan", Switch),
    ("enable_indexscan", Switch),
    ("enable_material", Switch),
    ("enable_memoize", Switch),
    ("enable_mergejoin", Switch),
    ("enable_nestloop", Switch),
    ("enable_parallel_append", Switch),
    ("enable_parallel_hash", Switch),
    ("enable_partition_pruning", Switch),
    ("enable_partitionwise_aggregate", Switch),
    ("enable_partitionwise_join", Switch),
    ("enable_presorted_aggregate", Switch),
    ("enable_self_join_elimination", Switch),
    ("enable_seqscan", Switch),
    ("enable_sort", Switch),
    ("enable_tidscan", Switch),
    ("from_collapse_limit", Integer),
    ("geqo", Switch),
    ("geqo_effort", Integer),
    ("geqo_generations", Integer),
    ("geqo_pool_size", Integer),
    ("geqo_seed", Real),
    ("geqo_selection_bias", Real),
    ("geqo_threshold", Integer),
    ("hash_mem_multiplier", Real),
    ("jit", Switch),
    ("jit_above_cost", Real),
    ("jit_inline_above_cost", Real),
    ("jit_optimize_above_cost", Real),
    ("join_collapse_limit", Integer),
    ("lock_timeout", Time),
    ("maintenance_io_concurrency", Integer),
    ("maintenance_work_mem", Memory),
    ("max_parallel_maintenance_workers", Integer),
    ("max_parallel_workers", Integer),
    ("max_parallel_workers_per_gather", Integer),
    ("min_parallel_index_scan_size", Memory),
    ("min_parallel_table_scan_size", Memory),
    ("parallel_leader_participation", Switch),
    ("parallel_setup_cost", Real),
    ("parallel_tuple_cost", Real),
    ("plan_cache_mode", Word(&["auto", "force_generic_plan", "force_custom_plan"])),
    ("random_page_cost", Real),
    ("recursive_worktable_factor", Real),
    ("seq_page_cost", Real),
    ("statement_timeout", Time),
    ("temp_buffers", Memory),
    ("work_mem", Memory),
];

/// Their names alone.
pub const NAMES: [&str; PARAMETERS.len()] = {
    let mut names = [""; PARAMETERS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = PARAMETERS[index].0;
        index += 1;
    }
    names
};

/// A parameter by its name; `None` for one a copy is not given.
pub fn find(name: &str) -> Option<(&'static str, ParameterKind)> {
    PARAMETERS.iter().find(|(known, _)| *known == name).copied()
}

impl ParameterKind {
    /// What a value must look like, for people.
    pub fn expectation(self) -> String {
        match self {
            Switch => "true, false, \"on\" or \"off\"".to_owned(),
            Integer => "a whole number".to_owned(),
            Real => "a number".to_owned(),
            Memory => "a whole number, or one with B, kB, MB, GB or TB, such as \"64MB\"".to_owned(),
            Time => "a whole number of milliseconds, or one with us, ms, s, min, h or d, such as \"5s\"".to_owned(),
            Word(words) => words.join(", "),
        }
    }

    /// Whether a server could take this text. Bounds are the server's business.
    pub fn accepts(self, text: &str) -> bool {
        let with_unit = |units: &[&str]| {
            let number = text.trim_start_matches('-');
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            let unit = number[digits..].trim();
            digits > 0 && (unit.is_empty() || units.contains(&unit))
        };
        match self {
            Switch => ["on", "off", "true", "false"].contains(&text),
            Integer => text.parse::<i64>().is_ok(),
            Real => text.parse::<f64>().is_ok_and(f64::is_finite),
            Memory => with_unit(&["B", "kB", "MB", "GB", "TB"]),
            Time => with_unit(&["us", "ms", "s", "min", "h", "d"]),
            Word(words) => words.contains(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted_and_there_once() {
        assert!(NAMES.windows(2).all(|pair| pair[0] < pair[1]), "{NAMES:?}");
    }

    #[test]
    fn nothing_that_changes_what_a_statement_means_or_how_far_it_reaches_is_among_them() {
        for name in [
            "search_path",
            "session_preload_libraries",
            "fsync",
            "role",
            "TimeZone",
            "log_statement",
            "transaction_timeout",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn values_are_told_from_slips() {
        for (name, right, wrong) in [
            ("jit", "off", "of"),
            ("geqo_threshold", "12", "12.5"),
            ("random_page_cost", "1.1", "cheap"),
            ("work_mem", "64MB", "64mb"),
            ("effective_cache_size", "-1", "-"),
            ("lock_timeout", "5s", "5 seconds"),
            ("statement_timeout", "0", ""),
            ("plan_cache_mode", "auto", "manual"),
        ] {
            let (_, kind) = find(name).expect(name);
            assert!(kind.accepts(right), "{name} = {right}");
            assert!(!kind.accepts(wrong), "{name} = {wrong}");
        }
    }
}
