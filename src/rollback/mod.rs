//! The way back: scripts that undo the migration, and what running them showed.

pub mod backup;
pub mod conditions;
pub mod dump;
pub mod generate;
mod inverse;
mod names;
mod order;
mod planner;
mod privileges;
pub mod prove;
