//! Why a token is refused: one variant for each rule, so that the log and the tests can tell.

/// The rule that a token breaks.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Longer than any token of ours; not even decoded.
    #[error("longer than {} bytes", super::jws::MAX_TOKEN_BYTES)]
    TooLong,
    /// Not three parts of base64url with a JSON header.
    #[error("not a signed token in compact form")]
    Malformed,
    /// Signed with anything but RS256, or not signed.
    #[error("the algorithm is not RS256")]
    Algorithm,
    /// Another kind of token: a logout token instead of an access token, say.
    #[error("the type is another one")]
    Type,
    /// A header that must be understood, or that would bring its own key.
    #[error("the header {0} is not allowed")]
    Header(&'static str),
    /// No key id, or one that no published key has.
    #[error("the key is not one of the issuer's")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature is wrong")]
    Signature,
    /// A claim is missing, there twice or of another type than the standard's.
    #[error("the claims are malformed")]
    Claims(#[source] jsonwebtoken::errors::Error),
    /// Made by somebody else.
    #[error("the issuer is another one")]
    Issuer,
    /// Made for somebody else.
    #[error("the audience is another one")]
    Audience,
    /// Made for several clients and not at our request, or for a client that cannot be told.
    #[error("the authorized party is another one")]
    AuthorizedParty,
    /// Past its `exp`.
    #[error("expired")]
    Expired,
    /// Before its `nbf`.
    #[error("not valid yet")]
    NotYetValid,
    /// An `iat` after now.
    #[error("issued in the future")]
    IssuedInFuture,
    /// A lifetime that no issuer of ours gives.
    #[error("the lifetime is out of bounds")]
    Lifetime,
    /// Made for another sign-in.
    #[error("the nonce is another one")]
    Nonce,
    /// No usable subject.
    #[error("the subject is not usable")]
    Subject,
    /// Another organization than the one that was asked for, or none, or no id of one.
    #[error("the organization is another one")]
    Organization,
}
