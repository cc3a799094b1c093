//! Whether what was committed gets where it should.

use std::time::Duration;

use employer_store::outbox::Waiting;
use serde::Serialize;
use utoipa::ToSchema;

/// Much longer than an event waits while all is well.
const LATE: Duration = Duration::from_secs(60);

/// Whether events are acted on and told, over all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutboxState {
    /// They are.
    Well,
    /// One has been waiting for more than a minute.
    Late,
    /// Some were given up, and want somebody to look.
    Parked,
    /// The database does not tell.
    Unknown,
}

impl OutboxState {
    pub(super) fn of(waiting: Option<Waiting>) -> Self {
        let Some(waiting) = waiting else { return Self::Unknown };
        if waiting.parked > 0 {
            Self::Parked
        } else if waiting.to_act.max(waiting.to_tell).unwrap_or_default() > LATE {
            Self::Late
        } else {
            Self::Well
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_said_before_what_is_late() {
        let waits = |seconds, parked| Waiting {
            to_act: None,
            to_tell: Some(Duration::from_secs(seconds)),
            parked,
        };
        assert_eq!(OutboxState::of(None), OutboxState::Unknown);
        assert_eq!(OutboxState::of(Some(Waiting::default())), OutboxState::Well);
        assert_eq!(OutboxState::of(Some(waits(59, 0))), OutboxState::Well);
        assert_eq!(OutboxState::of(Some(waits(61, 0))), OutboxState::Late);
        assert_eq!(OutboxState::of(Some(waits(61, 1))), OutboxState::Parked);
    }
}
