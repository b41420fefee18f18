//! Where disposable copies of real data come from: sources, the base cache, copies, and their ends.

pub mod base;
pub mod data_directory;
pub mod dump;
mod event_triggers;
pub mod facts;
pub mod fidelity;
pub mod fingerprint;
pub mod kept;
pub mod live;
mod manifest;
pub mod origin;
pub mod physical;
pub mod policy;
pub mod provider;
pub mod restore;
pub mod role;
pub mod scratch;
pub mod settle;
pub mod source;
pub mod state;
pub mod statements;
pub mod stdin;
pub mod text;
pub mod unpack;
pub mod url;
pub mod words;
