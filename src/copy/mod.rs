//! Where disposable copies of real data come from: sources, the base cache, copies, and their ends.

pub mod base;
pub mod dump;
mod event_triggers;
pub mod facts;
pub mod fingerprint;
pub mod kept;
pub mod live;
mod manifest;
pub mod policy;
pub mod provider;
pub mod restore;
pub mod role;
pub mod scratch;
pub mod settle;
pub mod source;
pub mod state;
pub mod statements;
pub mod text;
pub mod url;
pub mod words;
