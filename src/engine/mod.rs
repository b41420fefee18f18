//! The only code that talks to databases. What every engine tells the rest of the program is defined here.

pub mod postgres;

use thiserror::Error;

/// What a server said when it refused a statement. Values of user data may stand in `detail` and `message`: only
/// `report` shows them, through its redactor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Error)]
#[error("{message} (SQLSTATE {sqlstate})")]
pub struct ServerError {
    /// Five characters; empty when the client or the connection failed.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// `DETAIL`, often with values.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// `CONTEXT`, such as the line of a `COPY`; often with values.
    pub context: Option<String>,
    /// 1-based character position in the statement sent.
    pub position: Option<usize>,
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
}
