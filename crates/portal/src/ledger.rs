//! The ledger of sessions over Postgres.

use async_trait::async_trait;
use employer_store::provider_messages::{self, MessageKind};
use employer_store::sessions::{
    self, FoundSession, RevocationReason, SessionRow, create_session, find_session, revoke_this,
    touch_session,
};
use employer_store::{StoreError, TenantDb};
use portal_api::writes::Writes;
use session_store::{
    EndReason, LedgerAnswer, LedgerEntry, LedgerUnavailable, NewSession, SealedTokens,
    SessionLedger, SessionRecord, Sid,
};
use tenancy::{Actor, Evidence, OrgId, Role, TenantId, TenantScope, UserId};
use time::OffsetDateTime;

/// Sessions as rows; what ends one goes the way of every change of access.
#[derive(Debug)]
pub(crate) struct StoredLedger {
    pub(crate) db: TenantDb,
    pub(crate) writes: Writes,
}

#[async_trait]
impl SessionLedger for StoredLedger {
    async fn create(
        &self,
        sid: Sid,
        new: &NewSession,
        tokens: Option<SealedTokens>,
    ) -> Result<OffsetDateTime, LedgerUnavailable> {
        let (scope, actor) = (scope(new.tenant, &new.org), actor(new.user));
        let mut tx = self.db.begin(&scope, &actor).await.map_err(away)?;
        let row = sessions::NewSession {
            sid_hash: *sid.as_bytes(),
            user: new.user,
            csrf_token: new.csrf_token.clone(),
            subject: new.subject.clone(),
            idp_issuer: new.issuer.clone(),
            idp_sid: new.idp_sid.clone(),
            agent: new.device.agent.clone(),
            address: new.device.address.clone(),
            absolute_expires_at: new.absolute_expires_at,
            tokens: tokens.map(|SealedTokens { sealed, access_expires_at }| {
                sessions::SealedTokens { sealed, access_expires_at }
            }),
        };
        let created = create_session(&mut tx, &row).await.map_err(away)?;
        let at = created.ok_or_else(|| {
            LedgerUnavailable("the person was removed while they signed in".into())
        })?;
        // A new session is in nobody's copies.
        let _no_events = tx.commit().await.map_err(away)?;
        if self.has_ended_there(new).await? {
            self.end(sid, EndReason::SignedOut).await?;
            let text = "the identity provider ended its session while the person signed in";
            return Err(LedgerUnavailable(text.into()));
        }
        Ok(at)
    }

    async fn find(&self, sid: Sid) -> Result<LedgerAnswer, LedgerUnavailable> {
        let found = find_session(&self.db, sid.as_bytes()).await.map_err(away)?;
        let FoundSession { session, at } = found;
        Ok(LedgerAnswer { entry: session.map(|row| entry(sid, row)), at })
    }

    async fn touch(&self, sid: Sid) -> Result<(), LedgerUnavailable> {
        touch_session(&self.db, sid.as_bytes()).await.map_err(away)
    }

    async fn end(&self, sid: Sid, reason: EndReason) -> Result<(), LedgerUnavailable> {
        let found = find_session(&self.db, sid.as_bytes()).await.map_err(away)?;
        let Some(row) = found.session else { return Ok(()) };
        let (scope, actor) = (scope(row.tenant, &row.org), actor(row.user));
        let mut tx = self.db.begin(&scope, &actor).await.map_err(away)?;
        let reason = match reason {
            EndReason::SignedOut => RevocationReason::SignedOut,
            EndReason::Replaced => RevocationReason::Replaced,
        };
        revoke_this(&mut tx, row.user, sid.as_bytes(), reason).await.map_err(away)?;
        self.writes.commit(tx).await.map_err(|error| LedgerUnavailable(error.into()))
    }
}

impl StoredLedger {
    /// Whether the identity provider has said meanwhile that the session is over on which this one
    /// stands. It may have said so before there was a row to be ended.
    async fn has_ended_there(&self, new: &NewSession) -> Result<bool, LedgerUnavailable> {
        let Some(idp_sid) = &new.idp_sid else { return Ok(false) };
        let id = provider_messages::ended_session(&new.issuer, idp_sid);
        let kind = MessageKind::EndedSession;
        provider_messages::is_known(&self.db, kind, &id).await.map_err(away)
    }
}

fn entry(sid: Sid, row: SessionRow) -> LedgerEntry {
    let touched_at = row.touched_at;
    let record = SessionRecord {
        sid,
        user: row.user,
        tenant: row.tenant,
        org: row.org,
        subject: row.subject,
        idp_sid: row.idp_sid,
        name: row.name,
        email: row.email,
        csrf_token: row.csrf_token,
        created_at: row.created_at,
        absolute_expires_at: row.absolute_expires_at,
        access_expires_at: row.access_expires_at,
    };
    LedgerEntry { record, touched_at }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tenant of a membership that a sign-in has verified, or of the session's own row"
)]
fn scope(tenant: TenantId, org: &OrgId) -> TenantScope {
    TenantScope::from_verified(tenant, org.clone(), Evidence::Session)
}

/// The person themselves. What they do to their own session takes no role, so the weakest one will
/// do.
const fn actor(user: UserId) -> Actor {
    Actor::Member { user, role: Role::Viewer }
}

fn away(error: StoreError) -> LedgerUnavailable {
    LedgerUnavailable(error.into())
}
