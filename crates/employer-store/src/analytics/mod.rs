//! Figures about jobs and applications: what came in, how far it came, how long it took.
//!
//! ```text
//! calendar   days and hours of a zone        question   whose figures, and of which time
//! stamp      of which moment an answer is    counts     the roll-ups, summed up
//! ```
//!
//! Every report is read in one transaction that sees one moment
//! ([`TenantDb::begin_snapshot`](crate::TenantDb::begin_snapshot)), and says which one. Numbers that
//! only grow come from the roll-ups that are written along with each event; ways through a pipeline
//! come from its steps. None of them names a person.

mod calendar;
mod counts;
mod overview;
mod question;
mod series;
mod snapshot;
mod stamp;

pub use self::calendar::{Grain, Zone};
pub use self::counts::{Metric, Totals};
pub use self::overview::{Change, Overview, Previous, overview};
pub use self::question::{OfSource, Question};
pub use self::series::{MetricSeries, PreviousSeries, TimeSeries, time_series};
pub use self::snapshot::{Live, LiveOf, OpenByStage, Standing, live};
pub use self::stamp::{Period, Stamp};
