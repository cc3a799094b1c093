//! The roll-ups, summed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::days::parts;
use super::question::Question;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident $field:ident = $kind:literal,)+) => {
        /// Something that is counted as it happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $($(#[$doc])* $variant,)+
        }

        impl Metric {
            /// Everything that is counted.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }

            /// The kind of roll-up that holds it.
            pub(super) const fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)+ }
            }
        }

        /// How often each of them happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct Totals {
            $($(#[$doc])* pub $field: i64,)+
        }

        impl Totals {
            /// How often one of them happened.
            pub const fn get(&self, metric: Metric) -> i64 {
                match metric { $(Metric::$variant => self.$field,)+ }
            }

            pub(super) fn add(&mut self, kind: &str, n: i64) {
                match kind {
                    $($kind => self.$field += n,)+
                    _ => {}
                }
            }
        }
    };
}

metrics! {
    /// Looks at a job's public page; approximate, since whoever looks again counts again.
    Views views = "job.viewed",
    /// First applications.
    Applications applications = "application.submitted",
    /// Further applications of the same people for the same job.
    Resubmissions resubmissions = "application.resubmitted",
    /// Applications that were taken on.
    Hires hires = "entered.hired",
    /// Applications that were turned down.
    Rejections rejections = "entered.rejected",
    /// Applications that were taken back.
    Withdrawals withdrawals = "entered.withdrawn",
}

/// The text names nothing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of views, applications, resubmissions, hires, rejections, withdrawals")]
pub struct UnknownMetric;

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or(UnknownMetric)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What happened within one step of time.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// Which of the steps, counted from 1.
    pub(super) step: i32,
    pub(super) kind: String,
    pub(super) n: i64,
    pub(super) revised_at: Option<OffsetDateTime>,
}

/// How often these happened within each of the steps that begin at `starts`, the last of which ends
/// at `end`.
pub(super) async fn counted(
    tx: &mut TenantTx,
    question: &Question,
    metrics: &[Metric],
    starts: &[OffsetDateTime],
    end: OffsetDateTime,
) -> Result<Vec<Counted>, StoreError> {
    let tenant = tx.tenant();
    let parts = parts(tx, question, starts, end).await?;
    let kinds: Vec<String> = metrics.iter().map(|metric| metric.kind().to_owned()).collect();
    Ok(sqlx::query_as!(
        Counted,
        r#"SELECT width_bucket(m.at, $3::timestamptz[]) AS "step!", m.kind AS "kind!",
                  sum(m.n)::bigint AS "n!", max(m.revised_at) AS revised_at
           FROM metric_sums($1, $4, $2, $8, $9, $10) m
           WHERE ($5::uuid IS NULL OR m.job_id = $5)
             AND ($6::text IS NULL OR m.source = $6)
             AND ($7::uuid IS NULL OR m.job_id = ANY(ARRAY(
                 SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $7)))
           GROUP BY 1, 2"#,
        tenant,
        &kinds,
        starts,
        question.is_of_everything(),
        question.job() as Option<uuid::Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<uuid::Uuid>,
        &parts.days,
        &parts.gap_starts,
        &parts.gap_ends,
    )
    .fetch_all(tx.connection())
    .await?)
}
