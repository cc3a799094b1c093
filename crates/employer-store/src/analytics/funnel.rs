//! The funnel by its three rules.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cohort::{CohortFunnel, cohort_funnel};
use super::overview::ratio;
use super::question::Question;
use super::snapshot::{Standing, standing};
use super::stamp::{Frame, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// By which rule a funnel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The applications of the period, and where they came to until now.
    Cohort,
    /// What entered and left each stage in the period, whenever it was submitted.
    Activity,
    /// Where applications are now, whatever the period.
    Snapshot,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Cohort, Self::Activity, Self::Snapshot];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Activity => "activity",
            Self::Snapshot => "snapshot",
        }
    }
}

/// The text names no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of cohort, activity, snapshot")]
pub struct UnknownRule;

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text).ok_or(UnknownRule)
    }
}

/// A funnel; its `rule` says which of these it is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Funnel {
    /// By `cohort`.
    Cohort(CohortFunnel),
    /// By `activity`.
    Activity(ActivityFunnel),
    /// By `snapshot`.
    Snapshot(SnapshotFunnel),
}

/// What entered and left the stages in a period.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ActivityFunnel {
    /// Of which moment it is; the rule is `activity`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The stages that applications pass through.
    pub stages: Vec<StageActivity>,
    /// How many were taken on.
    pub hired: i64,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageActivity {
    /// Its kind.
    pub stage: String,
    /// How many came in.
    pub entered: i64,
    /// How many left it.
    pub left: i64,
    /// Those of them that went to another stage, or were taken on.
    pub passed: i64,
    /// Those of them that were turned down.
    pub rejected: i64,
    /// Those of them that were taken back.
    pub withdrawn: i64,
    /// How large a part of those that left went on.
    pub pass_rate: Option<f64>,
}

/// Where applications are now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SnapshotFunnel {
    /// Of which moment it is; the rule is `snapshot`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// By where they are.
    pub now: Standing,
}

/// The funnel by a rule.
pub async fn funnel(
    tx: &mut TenantTx,
    question: &Question,
    rule: Rule,
) -> Result<Funnel, StoreError> {
    match rule {
        Rule::Cohort => Ok(Funnel::Cohort(cohort_funnel(tx, question).await?)),
        Rule::Activity => Ok(Funnel::Activity(activity(tx, question).await?)),
        Rule::Snapshot => {
            let frame = Frame::of(tx, question).await?;
            let now = standing(tx, question).await?;
            let stamp = frame.stamp(Rule::Snapshot.as_str(), None);
            Ok(Funnel::Snapshot(SnapshotFunnel { stamp, now }))
        }
    }
}

async fn activity(tx: &mut TenantTx, question: &Question) -> Result<ActivityFunnel, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"SELECT m.from_kind, m.to_kind, count(*) AS "n!"
           FROM stage_moves m
           JOIN applications a ON a.tenant_id = $1 AND a.id = m.application_id
           WHERE m.tenant_id = $1 AND m.at >= $2 AND m.at < $3
             AND ($4::uuid IS NULL OR m.job_id = $4)
             AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
             AND ($6::uuid IS NULL OR m.job_id = ANY(ARRAY(
                 SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $6)))
           GROUP BY m.from_kind, m.to_kind"#,
        tenant,
        frame.start,
        frame.end,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut stages = ["applied", "screen", "interview", "offer"]
        .map(|stage| StageActivity { stage: stage.to_owned(), ..StageActivity::default() });
    let mut hired = 0;
    for row in &rows {
        let (from, to) = (row.from_kind.as_deref(), row.to_kind.as_deref());
        if to == Some("hired") {
            hired += row.n;
        }
        for stage in &mut stages {
            if to == Some(&stage.stage) {
                stage.entered += row.n;
            }
            if from == Some(&stage.stage) {
                stage.left += row.n;
                match to {
                    None => stage.withdrawn += row.n,
                    Some("rejected") => stage.rejected += row.n,
                    Some(_) => stage.passed += row.n,
                }
            }
        }
    }
    for stage in &mut stages {
        stage.pass_rate = ratio(stage.passed, stage.left);
    }
    let stamp = frame.stamp(Rule::Activity.as_str(), None);
    Ok(ActivityFunnel { stamp, stages: stages.into(), hired })
}
