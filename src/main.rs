//! The `seatrial` command.

use seatrial::engine::postgres::launch;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = launch::run_if_helper() {
        return code;
    }
    ExitCode::SUCCESS
}
