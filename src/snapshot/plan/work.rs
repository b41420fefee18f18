//! Work of one execution: deterministic, unlike time.

/// What one execution did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Shared and local blocks hit and read by execution; planning left out.
    pub buffers: u64,
    /// Temporary blocks read and written.
    pub temp_blocks: u64,
    /// What SQLite counts; `None` for a server, which counts blocks.
    pub steps: Option<Steps>,
}

/// SQLite's counters of one execution (`sqlite3_stmt_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps {
    /// Instructions of the virtual machine.
    pub vm: u64,
    /// Rows stepped over in scans of whole tables.
    pub full_scan: u64,
    /// Sorts.
    pub sorts: u64,
    /// Rows put into indexes made for this one execution.
    pub automatic_indexes: u64,
}

/// What [`Work::amount`] is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A server's blocks.
    Blocks,
    /// Instructions of SQLite's virtual machine.
    VmSteps,
}

impl Unit {
    /// For people, several of them.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Blocks => "blocks",
            Unit::VmSteps => "VM steps",
        }
    }

    /// So many more or less are not worth a look. A row that is passed over takes three to six VM steps.
    pub fn trifle(self) -> u64 {
        match self {
            Unit::Blocks => 20,
            Unit::VmSteps => 2_000,
        }
    }
}

impl Work {
    /// Work of a server.
    pub fn blocks(buffers: u64, temp_blocks: u64) -> Self {
        Self { buffers, temp_blocks, steps: None }
    }

    /// Work of SQLite.
    pub fn steps(steps: Steps) -> Self {
        Self { steps: Some(steps), ..Self::default() }
    }

    /// The one number that verdicts compare.
    pub fn amount(&self) -> u64 {
        self.steps.map_or(self.buffers, |steps| steps.vm)
    }

    /// What that number counts.
    pub fn unit(&self) -> Unit {
        if self.steps.is_some() { Unit::VmSteps } else { Unit::Blocks }
    }
}
