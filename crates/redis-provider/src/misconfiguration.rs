//! What is wrong with a connection that waiting will not mend.

/// The service answered, and its answer means that the settings are wrong. Whoever knows the
/// variables' names turns it into a line that says which one, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misconfiguration {
    /// Wrong user name, password or token.
    #[error("the service refuses the user name, the password or the token")]
    Credentials,
    /// A password is needed and none was given.
    #[error("the service asks for a password and none is set")]
    PasswordMissing,
    /// Plain text was spoken to a server that wants TLS.
    #[error("the server closed the connection as one that expects TLS does")]
    TlsExpected,
    /// TLS was spoken to a server that does not.
    #[error("the server does not speak TLS")]
    TlsUnexpected,
    /// The server's certificate is not to be trusted, or is for another name.
    #[error("the server's certificate cannot be trusted: {0}")]
    Certificate(String),
    /// A cluster was expected and the server is a single one.
    #[error("the server is not part of a cluster")]
    NotACluster,
    /// A single server was expected and it is a node of a cluster.
    #[error("the server is a node of a cluster")]
    UnexpectedCluster,
    /// The token or user may read and not write.
    #[error("the token or user may only read")]
    ReadOnly,
    /// A right that the portal needs is missing.
    #[error("the user has no right to {0}")]
    MissingRight(String),
    /// Something else answers at that address.
    #[error("what answers there is no such service: {0}")]
    WrongService(String),
}

/// Why a provider cannot be used at all. A service that cannot be reached is not a reason: calls
/// say so while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The settings contradict themselves, or name a file that cannot be read.
    #[error("{0}")]
    Settings(String),
    /// The service was reached and the settings do not fit it.
    #[error(transparent)]
    Misconfigured(#[from] Misconfiguration),
}
