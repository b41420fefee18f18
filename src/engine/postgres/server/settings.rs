//! The settings a server of ours is started with.
