//! Before against after, as pure values.

pub mod catalog;
pub mod index;
pub mod pairing;
pub mod plan;
pub mod timing;
