//! Work on files that ends when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes files on a thread for blocking work; `work` looks at what it is given, and stops once that is set, which it is as
/// soon as nobody waits any more. `goes_last` owns the folder they are written to: its last owner removes it, and while
/// somebody still writes there, that would not be all of it.
///
/// # Errors
/// What `work` says.
pub async fn while_wanted<T: Send + 'static, E: Send + 'static>(
    goes_last: impl Send + 'static,
    work: impl FnOnce(&AtomicBool) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let wanted = Wanted::default();
    let given_up = Arc::clone(&wanted.given_up);
    let working = tokio::task::spawn_blocking(move || {
        let done = work(&given_up);
        drop(goes_last);
        done
    });
    match working.await {
        Ok(done) => done,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

/// Dropped, it tells the work that nobody waits for it.
#[derive(Default)]
struct Wanted {
    given_up: Arc<AtomicBool>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}
