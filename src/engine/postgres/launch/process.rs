//! A child process and the thread that lives as long as it does.

/// A child under way. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Its process id; not to be signalled past [`Process`], which knows whether it still is this process's.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}
