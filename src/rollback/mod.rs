//! stub
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct RollbackError;
/// x
#[derive(Debug)]
pub struct Rollback;
impl Rollback {
    /// x
    pub fn verdict(&self) -> crate::report::v1::RollbackVerdict {
        unreachable!()
    }
}
