//! The `seatrial` command.

use std::process::ExitCode;

/// Catalogs and plans are many small things: where there are thousands of tables, a third of the program's own time went
/// into asking the C library for memory.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
