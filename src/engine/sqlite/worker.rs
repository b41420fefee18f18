//! SQLite on a thread of its own, so that a signal or a spent budget is seen while a statement runs.

use super::connection::Stop;
use crate::engine::ServerError;

/// Ends the work when nobody waits for it any more.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// Runs `work` on a thread for blocking work. Dropping the future ends its statements; the thread goes on until the next
/// of them is refused.
///
/// # Errors
/// What `work` says; or that it panicked.
pub async fn run<T, E>(work: impl FnOnce(&Stop) -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<ServerError> + Send + 'static,
{
    let stop = Stop::default();
    let _guard = StopOnDrop(stop.clone());
    match tokio::task::spawn_blocking(move || work(&stop)).await {
        Ok(done) => done,
        Err(error) => {
            let message = format!("the thread that ran SQLite broke off: {error}");
            Err(ServerError { sqlstate: "XX000".to_owned(), message, ..ServerError::default() }.into())
        }
    }
}
