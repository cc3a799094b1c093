//! Log output. Fields are named with dots and stay stable; secrets and bodies never are fields.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, Telemetry};

/// The filter's text cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the setting telemetry.filter (PORTAL__TELEMETRY__FILTER) is not a log filter")]
pub(crate) struct InvalidFilter(#[source] tracing_subscriber::filter::ParseError);

/// What is to be logged.
pub(crate) fn filter(settings: &Telemetry) -> Result<EnvFilter, InvalidFilter> {
    EnvFilter::try_new(&settings.filter).map_err(InvalidFilter)
}

/// Starts logging to standard error. A second call in a process changes nothing.
pub(crate) fn start(settings: &Telemetry) -> Result<(), InvalidFilter> {
    let registry = tracing_subscriber::registry().with(filter(settings)?);
    let output = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match settings.format {
        LogFormat::Text => registry.with(output.with_target(false)).try_init(),
        LogFormat::Json => registry.with(output.json().flatten_event(true)).try_init(),
    };
    drop(started);
    Ok(())
}
