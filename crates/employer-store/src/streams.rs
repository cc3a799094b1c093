//! Whether streams that are open may stay so, many at once.

use std::fmt;
use std::time::Duration;

use tenancy::{Role, TenantId, UserId};
use uuid::Uuid;

use crate::database::within_deadline;
use crate::error::StoreError;
use crate::feed::Head;
use crate::tenant_db::TenantDb;

/// A stream that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StreamCheck {
    /// Where.
    pub tenant: TenantId,
    /// Whose.
    pub user: UserId,
    /// By which session: the hash of its cookie.
    pub session: [u8; 32],
}

/// Without the hash.
impl fmt::Debug for StreamCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StreamCheck")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What is true of a stream that may stay open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenStream {
    /// What the person is now.
    pub role: Role,
    /// The jobs whose team they are on, where they see no others.
    pub jobs: Vec<Uuid>,
    /// How far their inbox goes.
    pub head: Head,
}

/// What is true of each of these, in their order; none where the session is over (after `idle`
/// without a request, too), the person is no member any more or the tenant may not be worked in.
pub async fn check_streams(
    db: &TenantDb,
    streams: &[StreamCheck],
    idle: Duration,
) -> Result<Vec<Option<OpenStream>>, StoreError> {
    let tenants: Vec<Uuid> = streams.iter().map(|stream| stream.tenant.as_uuid()).collect();
    let users: Vec<Uuid> = streams.iter().map(|stream| stream.user.as_uuid()).collect();
    let sessions: Vec<Vec<u8>> = streams.iter().map(|stream| stream.session.to_vec()).collect();
    let query = sqlx::query!(
        r#"SELECT place AS "place!", role AS "role!", jobs AS "jobs!", epoch AS "epoch!",
                  seq AS "seq!", unread AS "unread!"
           FROM check_streams($1, $2, $3, $4)"#,
        &tenants,
        &users,
        &sessions,
        idle.as_secs_f64(),
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    let mut found = vec![None; streams.len()];
    for row in rows {
        let role = row.role.parse().map_err(|_| StoreError::inconsistent("role"))?;
        let head = Head { epoch: row.epoch, seq: row.seq, unread: row.unread };
        // Places count from 1.
        let place = usize::try_from(row.place - 1).ok();
        if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
            *slot = Some(OpenStream { role, jobs: row.jobs, head });
        }
    }
    Ok(found)
}
