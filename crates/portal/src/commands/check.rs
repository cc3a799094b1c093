//! `portal check-config` and `portal openapi`.

use super::{CommandError, say};
use crate::settings::{Settings, Variables};
use crate::telemetry;

/// Reads everything that `serve` reads, and nothing else.
pub(crate) fn check_config(variables: &Variables) -> Result<(), CommandError> {
    let settings = Settings::load(variables)?;
    telemetry::filter(&settings.tuning.telemetry)?;
    say(format!(
        "the settings are usable: {:?}, listening on {}, Redis provider {} (chosen by {})",
        settings.environment,
        settings.listen,
        settings.redis.service.provider(),
        settings.redis.decision.by
    ))
}

/// Prints the document that `/api/openapi.json` serves.
pub(crate) fn openapi() -> Result<(), CommandError> {
    say(portal_api::openapi_document())
}
