//! A session for tests.

use std::time::Duration;

use session_store::{SessionRecord, Sid};
use tenancy::{TenantId, UserId};
use time::macros::datetime;
use uuid::Uuid;

pub(crate) fn record() -> SessionRecord {
    let created_at = datetime!(2026-11-20 08:00 UTC);
    SessionRecord {
        sid: Sid::from_bytes([7; 32]),
        user: UserId::from_uuid(Uuid::from_u128(7)),
        tenant: TenantId::from_uuid(Uuid::from_u128(8)),
        org: "org_9f2cA1".parse().unwrap(),
        subject: "auth0|ada".to_owned(),
        idp_sid: Some("idp-1".to_owned()),
        name: "Ada Example".to_owned(),
        email: "ada@example.com".to_owned(),
        csrf_token: "dGhlLXNlc3Npb25zLXRva2Vu".to_owned(),
        created_at,
        absolute_expires_at: created_at + Duration::from_hours(12),
        access_expires_at: None,
    }
}
