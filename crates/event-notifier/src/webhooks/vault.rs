//! Secrets of endpoints, sealed for the place where they are kept.

use sealing::KeyRing;
use tenancy::{TenantId, WebhookId};

use super::signature::Secret;

/// Keeps this use of a key apart from others.
const PURPOSE: &[u8] = b"portal webhook secret v1\0";

/// Seals and opens the secrets of endpoints.
#[derive(Clone, Debug)]
pub struct WebhookVault(KeyRing);

/// A secret could not be sealed, or what was kept could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret of a webhook cannot be sealed or opened")]
pub struct SecretUnreadable;

impl WebhookVault {
    /// With these keys: the newest seals, any opens.
    pub const fn new(keys: KeyRing) -> Self {
        Self(keys)
    }

    /// Seals a secret for one endpoint of one tenant; nowhere else does it open.
    pub fn seal(
        &self,
        tenant: TenantId,
        endpoint: WebhookId,
        secret: &Secret,
    ) -> Result<Vec<u8>, SecretUnreadable> {
        let context = context(tenant, endpoint);
        self.0.seal(&context, secret.expose_bytes()).map_err(|_| SecretUnreadable)
    }

    /// Opens what was sealed for this endpoint; says also whether the newest key has sealed it.
    pub fn open(
        &self,
        tenant: TenantId,
        endpoint: WebhookId,
        sealed: &[u8],
    ) -> Result<(Secret, bool), SecretUnreadable> {
        let opened =
            self.0.open(&context(tenant, endpoint), sealed).map_err(|_| SecretUnreadable)?;
        Ok((Secret::from_bytes(opened.plain), opened.is_current))
    }
}

/// Parts of fixed lengths: no two endpoints share one.
fn context(tenant: TenantId, endpoint: WebhookId) -> Vec<u8> {
    [PURPOSE, tenant.as_uuid().as_bytes(), endpoint.as_uuid().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn vault(keys: &str) -> WebhookVault {
        WebhookVault::new(KeyRing::parse(&keys.into()).unwrap())
    }

    #[test]
    fn a_secret_opens_at_its_endpoint_alone() {
        let tenant = |number| TenantId::from_uuid(Uuid::from_u128(number));
        let endpoint = |number| WebhookId::from_uuid(Uuid::from_u128(number));
        let secret = Secret::generate().unwrap();
        let sealed = vault(OLD).seal(tenant(1), endpoint(2), &secret).unwrap();
        let both = vault(&format!("{NEW},{OLD}"));
        let (opened, is_current) = both.open(tenant(1), endpoint(2), &sealed).unwrap();
        assert_eq!(opened.expose_bytes(), secret.expose_bytes());
        assert!(!is_current, "it was sealed by the older key");
        assert!(both.open(tenant(2), endpoint(2), &sealed).is_err());
        assert!(both.open(tenant(1), endpoint(1), &sealed).is_err());
        assert!(vault(NEW).open(tenant(1), endpoint(2), &sealed).is_err());
    }
}
