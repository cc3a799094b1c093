//! `portal redis-check`: is Redis there, may we do what we need, and how fast is it from here?

mod findings;
mod reach;
mod report;
mod steps;

use super::{CommandError, block_on, say};
use crate::provider;
use crate::settings::{RedisSettings, Variables};

use report::Report;

/// How to tell what was found.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RedisCheckArguments {
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// Connects, tries everything that the portal asks of a Redis service, and tells. Slow alone is no
/// failure; what is refused or does not answer is.
pub(crate) fn redis_check(
    variables: &Variables,
    arguments: RedisCheckArguments,
) -> Result<(), CommandError> {
    let settings = RedisSettings::load(variables)?;
    let report = block_on(check(&settings))?;
    say(if arguments.json { report.to_json()? } else { report.to_lines() })?;
    match report.failure() {
        None => Ok(()),
        Some(failure) => Err(CommandError::RedisCheck(failure)),
    }
}

async fn check(settings: &RedisSettings) -> Result<Report, CommandError> {
    let service = &settings.service;
    let started = tokio::time::Instant::now();
    let connection = provider::connect(service).await?;
    // Without an answer there is nothing more to find out.
    let adapter = connection.adapter();
    let alive = adapter.ping().await;
    let connected = started.elapsed();
    alive.map_err(|error| CommandError::Redis(service.explain_failure(&error)))?;
    let (steps, info) = steps::run(adapter, service, connected).await;
    let report = Report {
        provider: service.provider(),
        chosen_by: settings.decision.by,
        place: service.place(),
        findings: findings::of(service, info.as_ref()),
        reach: reach::line(service, info.as_ref()),
        server: info.into(),
        steps,
    };
    connection.close().await;
    Ok(report)
}
