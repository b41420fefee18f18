//! The way back: scripts that undo the migration, and what running them showed.

pub mod backup;
pub mod generate;
pub mod prove;
