//! Of which moment an answer is, and by which rule it counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::calendar::{Days, Zone, instant};
use super::question::Question;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// The days that figures are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// The first day.
    #[schema(format = Date)]
    pub from: String,
    /// The last day.
    #[schema(format = Date)]
    pub to: String,
    /// Whether its last day is over.
    pub is_complete: bool,
}

/// What every answer says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stamp {
    /// When the figures were taken.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// Orders answers and live snapshots of the same tenant: of two, the one with the greater number
    /// saw everything that the other saw.
    pub version: i64,
    /// When something was last added to these figures after its quarter of an hour was over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revised_at: Option<OffsetDateTime>,
    /// The zone of the days.
    pub time_zone: String,
    /// The days.
    pub period: Period,
    /// How it is counted: `activity` counts what happened in the period, `cohort` follows the
    /// applications of the period to where they came until now, `snapshot` is how things are now.
    pub rule: &'static str,
}

/// The moment that a transaction sees.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) as_of: OffsetDateTime,
    pub(super) version: i64,
    /// The tenant's zone; UTC where its name is none that we know.
    pub(super) zone: Zone,
}

/// Asks which moment this is. Two moments are ordered as the database orders what it lets be seen:
/// by the first transaction that has not begun, and then by how many of the earlier ones still run.
pub(super) async fn moment(tx: &mut TenantTx) -> Result<Moment, StoreError> {
    let tenant = tx.tenant();
    // Twelve bits hold more transactions than a server has connections; the rest stays a whole
    // number in JavaScript for the first 2^41 transactions.
    let row = sqlx::query!(
        r#"SELECT now() AS "as_of!", t.time_zone,
                  ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint << 12)
                   + 4095 - least(4095, (SELECT count(*)
                                         FROM pg_snapshot_xip(pg_current_snapshot())))) AS "version!"
           FROM tenants t WHERE t.id = $1"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    let zone = Zone::find(&row.time_zone).unwrap_or_else(Zone::utc);
    Ok(Moment { as_of: row.as_of, version: row.version, zone })
}

/// A question, its moment, and its days.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) moment: Moment,
    pub(super) zone: Zone,
    pub(super) days: Days,
    pub(super) start: OffsetDateTime,
    pub(super) end: OffsetDateTime,
}

impl Frame {
    pub(super) async fn of(tx: &mut TenantTx, question: &Question) -> Result<Self, StoreError> {
        let moment = moment(tx).await?;
        let zone = question.zone.clone().unwrap_or_else(|| moment.zone.clone());
        let days = zone.days(question.from, question.to, moment.as_of);
        let [start, end] = bounds(&zone, days).map(instant);
        Ok(Self { moment, zone, days, start, end })
    }

    /// The same of the days before.
    pub(super) fn before(&self) -> Self {
        let days = self.days.before();
        let [start, end] = bounds(&self.zone, days).map(instant);
        Self { days, start, end, moment: self.moment.clone(), zone: self.zone.clone() }
    }

    pub(super) fn period(&self) -> Period {
        Period {
            from: self.days.first.to_string(),
            to: self.days.last.to_string(),
            is_complete: self.end <= self.moment.as_of,
        }
    }

    pub(super) fn stamp(&self, rule: &'static str, revised_at: Option<OffsetDateTime>) -> Stamp {
        Stamp {
            as_of: self.moment.as_of,
            version: self.moment.version,
            revised_at,
            time_zone: self.zone.name().to_owned(),
            period: self.period(),
            rule,
        }
    }
}

fn bounds(zone: &Zone, days: Days) -> [Timestamp; 2] {
    [zone.start_of(days.first), zone.end_of(days)]
}
