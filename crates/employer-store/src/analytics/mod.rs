//! Figures about jobs and applications: what came in, how far it came, how long it took.
//!
//! ```text
//! calendar   days and hours of a zone        question   whose figures, and of which time
//! stamp      of which moment an answer is    counts     the roll-ups, summed up
//! days       where days are read instead     building   and how they come about
//! ```
//!
//! Every report is read in one transaction that sees one moment
//! ([`TenantDb::begin_snapshot`](crate::TenantDb::begin_snapshot)), and says which one. Numbers that
//! only grow come from the roll-ups that are written along with each event; ways through a pipeline
//! come from its steps. None of them names a person.

mod breakdown;
mod building;
mod calendar;
mod cohort;
mod counts;
mod days;
mod drift;
mod durations;
mod export;
mod funnel;
mod overview;
mod question;
mod series;
mod snapshot;
mod stamp;

pub use self::breakdown::{Breakdown, By, Group, Others, breakdown};
pub use self::building::{DaysBuilt, build_days, notice_zones};
pub use self::calendar::{Grain, Zone};
pub use self::cohort::{
    CohortFunnel, FunnelStep, Reached, SourceFigures, SourceRow, Sources, sources,
};
pub use self::counts::{Metric, Totals};
pub(crate) use self::drift::AUDITED;
pub use self::drift::{Audited, Drift, audit, claim_audit, drift, last_audit};
pub use self::durations::{
    Durations, StageTime, TimeInStage, TimeToHire, time_in_stage, time_to_hire,
};
pub use self::export::{Export, ExportRow, pin_down};
pub use self::funnel::{ActivityFunnel, Funnel, Rule, SnapshotFunnel, StageActivity, funnel};
pub use self::overview::{Change, Overview, Previous, overview};
pub use self::question::{OfSource, Question};
pub use self::series::{MetricSeries, PreviousSeries, TimeSeries, time_series};
pub use self::snapshot::{Live, LiveOf, OpenByStage, Standing, live};
pub use self::stamp::{Period, Stamp};
