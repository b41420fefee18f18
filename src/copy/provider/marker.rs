//! What tells databases and roles of Seatrial's from everybody else's on a server of others: a comment on each.

use crate::copy::base::BaseRecord;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// How names of everything Seatrial makes on a server of others begin; a name alone proves nothing.
pub(super) const PREFIX: &str = "seatrial_";

/// The comment, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seatrial", rename_all = "snake_case")]
pub(super) enum Marker {
    /// One copy of one run.
    Copy {
        /// The run.
        run: String,
        /// When it was made, in seconds since 1970.
        made: u64,
    },
    /// A restored source, for copies of any run.
    Base {
        /// What it was made of.
        key: String,
        /// When a run last used it, in seconds since 1970.
        used: u64,
        /// What is known of it; nothing while it is being made.
        record: Option<BaseRecord>,
    },
    /// A role: of one run, or of the bases whose dumps name it.
    Role {
        /// The run, if it is of one.
        run: Option<String>,
        /// When it was made, in seconds since 1970.
        made: u64,
    },
}

impl Marker {
    /// The comment's text.
    pub(super) fn text(&self) -> String {
        // Strings and numbers alone: there is nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What a comment says, if it is one of these.
    pub(super) fn read(comment: Option<&str>) -> Option<Self> {
        serde_json::from_str(comment?).ok()
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    // A clock before 1970 makes everything look new, which keeps it.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Name of a copy's database.
pub(super) fn copy_name(run: &str, number: u32) -> String {
    format!("{PREFIX}run_{run}_{number}")
}

/// The run whose copy has this name.
pub(super) fn run_of_copy(name: &str) -> Option<&str> {
    let (run, number) = name.strip_prefix(PREFIX)?.strip_prefix("run_")?.split_once('_')?;
    let plain = |text: &str, hexadecimal: bool| {
        !text.is_empty()
            && text.bytes().all(|each| if hexadecimal { each.is_ascii_hexdigit() } else { each.is_ascii_digit() })
    };
    (run.len() == 8 && plain(run, true) && plain(number, false)).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back_and_no_other_comment_is_one() {
        for marker in [
            Marker::Copy { run: "0a1b2c3d".into(), made: 7 },
            Marker::Base { key: "k".into(), used: 7, record: None },
            Marker::Role { run: None, made: 7 },
        ] {
            assert_eq!(Marker::read(Some(&marker.text())), Some(marker));
        }
        for other in [None, Some(""), Some("seatrial"), Some("{}"), Some("{\"seatrial\":\"copy\"}")] {
            assert_eq!(Marker::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_copy_s_name_tells_its_run() {
        assert_eq!(run_of_copy(&copy_name("0a1b2c3d", 12)), Some("0a1b2c3d"));
        for other in
            ["seatrial_run_0a1b2c3d", "seatrial_run_0a1b2c3_1", "seatrial_run_0a1b2c3d_x", "run_0a1b2c3d_1", "shop"]
        {
            assert_eq!(run_of_copy(other), None, "{other}");
        }
    }
}
