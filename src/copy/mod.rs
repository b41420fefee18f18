//! Where disposable copies of real data come from: sources, the base cache, copies, and their ends.

pub mod base;
pub mod cached;
pub mod dump;
mod event_triggers;
pub mod facts;
pub mod fingerprint;
pub mod keeper;
pub mod kept;
pub mod live;
pub mod policy;
pub mod restore;
pub mod role;
pub mod room;
pub mod scratch;
pub mod settle;
pub mod source;
pub mod state;
pub mod statements;
pub mod text;
pub mod url;
pub mod words;
