//! Whatever stands in a file, nothing panics, overflows the stack, hangs, or takes memory out of proportion, and what is
//! promised of the result holds. No server.
//!
//! One test a target. Its inputs are mutations of files of this repository, numbered: the same number is the same input.
//! What once went wrong is a file in `fuzz/seeds/TARGET/` and is tried first. `SEATRIAL_FUZZ_INPUTS=10000000` divides so
//! many inputs between the targets, from number `SEATRIAL_FUZZ_FROM` on.
#![allow(clippy::unwrap_used)]

#[path = "fuzz/config.rs"]
mod config;
#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/json.rs"]
mod json;
#[path = "fuzz/layouts.rs"]
mod layouts;
#[path = "fuzz/messages.rs"]
mod messages;
#[path = "fuzz/plans.rs"]
mod plans;
#[path = "fuzz/queries.rs"]
mod queries;
#[path = "fuzz/random.rs"]
mod random;
#[path = "fuzz/reports.rs"]
mod reports;
#[path = "fuzz/run.rs"]
mod run;
#[path = "fuzz/sql.rs"]
mod sql;
#[path = "support/tags.rs"]
mod tags;
#[path = "fuzz/text.rs"]
mod text;
