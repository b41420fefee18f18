//! Seatrial takes a database migration on a sea trial before production does.
//!
//! The way of the data, from top to bottom, is one function: [`rehearsal::rehearse`]. ARCHITECTURE.md has the
//! bird's-eye view, the code map and the invariants.

pub mod check;
pub mod cli;
pub mod command;
pub mod config;
pub mod copy;
pub mod diff;
pub mod engine;
pub mod migration;
pub mod observation;
pub mod progress;
pub mod rehearsal;
pub mod report;
pub mod rollback;
pub mod snapshot;
pub mod suggest;
pub mod workload;
