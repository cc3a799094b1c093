//! What a member wants to hear of, by which way, and when not.
//!
//! A row holds only what differs from the usual. The worker that tells people reads it within its
//! statement; the one that sends mails reads digest, quiet hours and zone.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenancy::UserId;
use utoipa::ToSchema;

use crate::error::StoreError;
use crate::feed::{NotificationKind, withdraw_mail};
use crate::tenant_db::TenantTx;

/// The ways that one kind of notification takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Channels {
    /// Into the inbox, and live.
    pub in_app: bool,
    /// By mail, if it is still unread after a while. Only what is in the inbox is mailed.
    pub mail: bool,
}

impl Channels {
    /// Those of somebody who has not said anything.
    pub const fn usual(kind: NotificationKind) -> Self {
        Self { in_app: true, mail: kind.is_mailed_by_default() }
    }
}

/// Whether mails are gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    /// Each notification has its own.
    #[default]
    Off,
    /// One an hour, of all.
    Hourly,
    /// One a day, of all.
    Daily,
}

/// The text names no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of off, hourly, daily")]
pub struct UnknownDigest;

impl Digest {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }
}

impl FromStr for Digest {
    type Err = UnknownDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Off, Self::Hourly, Self::Daily];
        all.into_iter().find(|digest| digest.as_str() == text).ok_or(UnknownDigest)
    }
}

/// A part of every day without mails; over midnight where the end is the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Minute of the day that it begins with.
    pub from: u16,
    /// Minute of the day that it ends before; another than `from`.
    pub until: u16,
}

/// What a member wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// By kind; every kind is there.
    pub kinds: BTreeMap<NotificationKind, Channels>,
    /// Whether mails are gathered.
    pub digest: Digest,
    /// Minute of the day of a daily digest.
    pub digest_minute: u16,
    /// When no mail is wanted.
    pub quiet: Option<QuietHours>,
    /// The zone of those minutes; the tenant's where none is given.
    pub time_zone: Option<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        let usual = NotificationKind::ALL.map(|kind| (kind, Channels::usual(kind)));
        Self {
            kinds: usual.into(),
            digest: Digest::Off,
            digest_minute: 8 * 60,
            quiet: None,
            time_zone: None,
        }
    }
}

impl Preferences {
    /// What differs from the usual, as the row holds it.
    fn choices(&self) -> Value {
        let mut choices = Map::new();
        for (kind, channels) in &self.kinds {
            let (usual, mut differing) = (Channels::usual(*kind), Map::new());
            if channels.in_app != usual.in_app {
                differing.insert("in_app".to_owned(), json!(channels.in_app));
            }
            if channels.mail != usual.mail {
                differing.insert("mail".to_owned(), json!(channels.mail));
            }
            if !differing.is_empty() {
                choices.insert(kind.as_str().to_owned(), Value::Object(differing));
            }
        }
        Value::Object(choices)
    }

    fn with_choices(mut self, choices: &Value) -> Self {
        for (kind, channels) in &mut self.kinds {
            let Some(said) = choices.get(kind.as_str()) else { continue };
            let is_wanted =
                |way: &str, usual| said.get(way).and_then(Value::as_bool).unwrap_or(usual);
            *channels = Channels {
                in_app: is_wanted("in_app", channels.in_app),
                mail: is_wanted("mail", channels.mail),
            };
        }
        self
    }
}

/// What a member wants; the usual where they have not said.
pub async fn get_preferences(tx: &mut TenantTx, user: UserId) -> Result<Preferences, StoreError> {
    let row = sqlx::query!(
        "SELECT choices, digest, digest_minute, quiet_from, quiet_until, time_zone
         FROM notification_preferences WHERE tenant_id = $1 AND user_id = $2",
        tx.tenant(),
        user.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(Preferences::default()) };
    let minute = |minute: i16| {
        u16::try_from(minute).map_err(|_| StoreError::inconsistent("minute of the day"))
    };
    let quiet = match (row.quiet_from, row.quiet_until) {
        (Some(from), Some(until)) => {
            Some(QuietHours { from: minute(from)?, until: minute(until)? })
        }
        _ => None,
    };
    let digest = row.digest.parse().map_err(|_| StoreError::inconsistent("digest"))?;
    Ok(Preferences {
        digest,
        digest_minute: minute(row.digest_minute)?,
        quiet,
        time_zone: row.time_zone,
        ..Preferences::default()
    }
    .with_choices(&row.choices))
}

/// Takes down what a member wants, in the place of whatever they said before. Mails that wait and are
/// not wanted any more do not go.
pub async fn put_preferences(
    tx: &mut TenantTx,
    user: UserId,
    wanted: &Preferences,
) -> Result<(), StoreError> {
    let minute = |minute: u16| i16::try_from(minute).unwrap_or(i16::MAX);
    sqlx::query!(
        "INSERT INTO notification_preferences AS p
             (tenant_id, user_id, choices, digest, digest_minute, quiet_from, quiet_until,
              time_zone)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, user_id) DO UPDATE
         SET choices = excluded.choices, digest = excluded.digest,
             digest_minute = excluded.digest_minute, quiet_from = excluded.quiet_from,
             quiet_until = excluded.quiet_until, time_zone = excluded.time_zone,
             updated_at = now()",
        tx.tenant(),
        user.as_uuid(),
        wanted.choices(),
        wanted.digest.as_str(),
        minute(wanted.digest_minute),
        wanted.quiet.map(|quiet| minute(quiet.from)),
        wanted.quiet.map(|quiet| minute(quiet.until)),
        wanted.time_zone,
    )
    .execute(tx.connection())
    .await?;
    let unwanted = wanted.kinds.iter().filter(|(_, ways)| !(ways.in_app && ways.mail));
    withdraw_mail(tx, user, unwanted.map(|(kind, _)| *kind)).await
}

/// Whether the text is the name of a time zone.
pub async fn is_time_zone(tx: &mut TenantTx, name: &str) -> Result<bool, StoreError> {
    // The view reads the zones' files, all of them, so what cannot be a name is not asked for.
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"/_+-".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) {
        return Ok(false);
    }
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pg_timezone_names WHERE name = $1) AS "exists!""#,
        name,
    )
    .fetch_one(tx.connection())
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept_and_it_reads_back() {
        let mut wanted = Preferences::default();
        assert_eq!(wanted.choices(), json!({}));
        wanted
            .kinds
            .insert(NotificationKind::StageChanged, Channels { in_app: false, mail: false });
        wanted.kinds.insert(NotificationKind::Mention, Channels { in_app: true, mail: false });
        let choices = json!({ "stage_changed": { "in_app": false }, "mention": { "mail": false } });
        assert_eq!(wanted.choices(), choices);
        assert_eq!(Preferences::default().with_choices(&choices), wanted);
        // A kind of another version, or something that is no choice, changes nothing.
        let strange = json!({ "later": { "in_app": false }, "mention": 7 });
        assert_eq!(Preferences::default().with_choices(&strange), Preferences::default());
    }
}
