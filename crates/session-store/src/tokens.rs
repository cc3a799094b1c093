//! Tokens as the ledger keeps them: sealed, each for one session of one tenant.

use sealing::KeyRing;
use tenancy::TenantId;
use time::OffsetDateTime;

use crate::record::Tokens;
use crate::sid::Sid;

const PURPOSE: &[u8] = b"portal session tokens v1\0";

/// Tokens that nobody can read but a process with the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// When the access token among them ends.
    pub access_expires_at: OffsetDateTime,
}

impl std::fmt::Debug for SealedTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SealedTokens")
            .field("access_expires_at", &self.access_expires_at)
            .finish_non_exhaustive()
    }
}

/// Seals and opens the tokens of sessions.
#[derive(Clone, Debug)]
pub struct TokenVault(KeyRing);

/// Tokens could not be sealed, or what was kept could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tokens of a session cannot be sealed or opened")]
pub struct TokensUnreadable;

impl TokenVault {
    /// With these keys: the newest seals, any opens.
    pub const fn new(keys: KeyRing) -> Self {
        Self(keys)
    }

    /// Seals tokens for one session of one tenant; nowhere else do they open.
    pub fn seal(
        &self,
        tenant: TenantId,
        sid: Sid,
        tokens: &Tokens,
    ) -> Result<SealedTokens, TokensUnreadable> {
        let plain = serde_json::to_vec(tokens).map_err(|_| TokensUnreadable)?;
        let sealed = self.0.seal(&context(tenant, sid), &plain).map_err(|_| TokensUnreadable)?;
        Ok(SealedTokens { sealed, access_expires_at: tokens.access_expires_at })
    }

    /// Opens what was sealed for this session.
    pub fn open(
        &self,
        tenant: TenantId,
        sid: Sid,
        sealed: &[u8],
    ) -> Result<Tokens, TokensUnreadable> {
        let opened = self.0.open(&context(tenant, sid), sealed).map_err(|_| TokensUnreadable)?;
        serde_json::from_slice(&opened.plain).map_err(|_| TokensUnreadable)
    }
}

/// Parts of fixed lengths: no two sessions share one.
fn context(tenant: TenantId, sid: Sid) -> Vec<u8> {
    [PURPOSE, tenant.as_uuid().as_bytes(), sid.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn tokens_open_in_their_session_alone() {
        let text = "k:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        let vault = TokenVault::new(KeyRing::parse(&text.into()).unwrap());
        let tokens = Tokens {
            access: "access".to_owned(),
            refresh: "refresh".to_owned(),
            access_expires_at: datetime!(2026-11-20 08:00 UTC),
        };
        let tenant = |number| TenantId::from_uuid(Uuid::from_u128(number));
        let sid = Sid::of_cookie("one");
        let sealed = vault.seal(tenant(1), sid, &tokens).unwrap();
        assert_eq!(vault.open(tenant(1), sid, &sealed.sealed), Ok(tokens));
        assert!(vault.open(tenant(2), sid, &sealed.sealed).is_err());
        assert!(vault.open(tenant(1), Sid::of_cookie("two"), &sealed.sealed).is_err());
    }
}
