//! The `seatrial` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Children are started through this same executable: it must happen before anything else.
    if let Some(code) = seatrial::engine::postgres::launch::run_if_helper() {
        return code;
    }
    if let Some(code) = seatrial::copy::keeper::run_if_keeper() {
        return code;
    }
    seatrial::command::run()
}
