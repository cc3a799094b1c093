//! Taking an application in.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgExecutor;
use tenancy::{ApplicationId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::database::{PublicDb, new_id};
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::outbox::{OutboxEvent, read_org};

/// What somebody says who applies. The caller has checked all of it; the database holds the bounds
/// once more.
#[derive(Clone, PartialEq)]
pub struct NewSubmission {
    /// In lower case.
    pub email: String,
    /// At most 200 characters.
    pub name: String,
    /// At most 40 characters.
    pub phone: Option<String>,
    /// At most 10,000 characters.
    pub message: Option<String>,
    /// Lower-case letters, digits and `._-`, at most 50.
    pub source: Option<String>,
    /// What the link said about the campaign; an object of at most 5,000 bytes.
    pub utm: Value,
    /// What was agreed to; an object of at most 2,000 bytes with the `version` of the notice.
    pub consent: Value,
    /// BCP 47 tag.
    pub locale: Option<String>,
}

/// Without the person.
impl std::fmt::Debug for NewSubmission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NewSubmission")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A résumé whose contents are in the file store already.
#[derive(Clone, PartialEq, Eq)]
pub struct NewResume {
    /// The file.
    pub id: Uuid,
    /// Names the contents in the file store.
    pub storage_key: String,
    /// What the person called it; at most 255 characters.
    pub name: String,
    /// Its media type, by what it contains.
    pub mime: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the contents.
    pub sha256: [u8; 32],
}

/// Without the name, which is mostly the person's.
impl std::fmt::Debug for NewResume {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewResume").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The client's own name for the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitKey {
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of all that was sent, the contents of the file included.
    pub sha256: [u8; 32],
    /// How long the answer is kept.
    pub ttl: Duration,
}

/// An application that was taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// What the person is told. It says nothing about whether they had applied before.
    pub reference: Uuid,
    /// The application.
    pub application: ApplicationId,
    /// Whether the résumé belongs to it now. Of what one person says about one job only so much is
    /// kept; the contents of a file that is not are to be deleted.
    pub keeps_file: bool,
    /// What is to be told.
    pub event: OutboxEvent,
}

/// How an attempt to apply ended.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum SubmitOutcome {
    /// It was taken in.
    Submitted(Box<Submitted>),
    /// It had been before, and this was the answer.
    Replayed {
        /// What the person was told then.
        reference: Uuid,
    },
    /// The key was used for something else that was sent.
    Mismatch,
    /// The same key is being worked on right now.
    InFlight,
    /// There is no such board or no such job.
    NotFound,
    /// The job takes no applications any more.
    Closed,
    /// Agreement to another version of the privacy notice is asked for.
    ConsentOutdated,
}

impl PublicDb {
    /// Takes an application for a published job in, with its event, in one transaction.
    pub async fn submit(
        &self,
        board: &str,
        job: &str,
        given: &NewSubmission,
        resume: Option<&NewResume>,
        key: Option<&SubmitKey>,
    ) -> Result<SubmitOutcome, StoreError> {
        within_deadline(call(self.pool(), board, job, given, resume, key)).await?.read()
    }

    /// What [`submit`](Self::submit) would answer now. Nothing of it lasts.
    pub async fn rehearse(
        &self,
        board: &str,
        job: &str,
        given: &NewSubmission,
        resume: Option<&NewResume>,
        key: Option<&SubmitKey>,
    ) -> Result<SubmitOutcome, StoreError> {
        let rehearsal = async {
            let mut transaction = self.pool().begin_with("BEGIN").await?;
            let answer = call(&mut *transaction, board, job, given, resume, key).await?;
            transaction.rollback().await?;
            Ok(answer)
        };
        within_deadline(rehearsal).await?.read()
    }
}

/// What the function answers.
struct CallAnswer {
    outcome: String,
    reference: Option<Uuid>,
    keeps_file: bool,
    tenant: Option<Uuid>,
    org: Option<String>,
    event_kind: Option<String>,
    application: Option<Uuid>,
    event_payload: Option<Value>,
    outbox_id: Option<i64>,
    event_id: Option<Uuid>,
    written_at: Option<OffsetDateTime>,
}

async fn call(
    database: impl PgExecutor<'_>,
    board: &str,
    job: &str,
    given: &NewSubmission,
    resume: Option<&NewResume>,
    key: Option<&SubmitKey>,
) -> Result<CallAnswer, sqlx::Error> {
    sqlx::query_as!(
        CallAnswer,
        r#"SELECT outcome AS "outcome!", reference, keeps_file AS "keeps_file!", tenant,
                          org, event_kind, application, event_payload, outbox_id, event_id,
                          written_at
                   FROM submit_application($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
        board,
        job,
        new_id(),
        new_id(),
        new_id(),
        new_id(),
        given_json(given),
        resume.map(resume_json) as Option<Value>,
        key.map(key_json) as Option<Value>,
    )
    .fetch_one(database)
    .await
}

impl CallAnswer {
    fn read(self) -> Result<SubmitOutcome, StoreError> {
        let missing = || StoreError::inconsistent("answer of submit_application");
        Ok(match self.outcome.as_str() {
            "submitted" | "resubmitted" => {
                let application = self.application.ok_or_else(missing)?;
                let kind = self.event_kind.ok_or_else(missing)?;
                SubmitOutcome::Submitted(Box::new(Submitted {
                    reference: self.reference.ok_or_else(missing)?,
                    application: ApplicationId::from_uuid(application),
                    keeps_file: self.keeps_file,
                    event: OutboxEvent {
                        id: self.outbox_id.ok_or_else(missing)?,
                        event_id: self.event_id.ok_or_else(missing)?,
                        tenant: TenantId::from_uuid(self.tenant.ok_or_else(missing)?),
                        org: read_org(&self.org.ok_or_else(missing)?)?,
                        kind: kind.parse().map_err(|_| missing())?,
                        subject: Some(application),
                        actor: None,
                        payload: self.event_payload.ok_or_else(missing)?,
                        at: self.written_at.ok_or_else(missing)?,
                    },
                }))
            }
            "replayed" => {
                SubmitOutcome::Replayed { reference: self.reference.ok_or_else(missing)? }
            }
            "mismatch" => SubmitOutcome::Mismatch,
            "in_flight" => SubmitOutcome::InFlight,
            "not_found" => SubmitOutcome::NotFound,
            "closed" => SubmitOutcome::Closed,
            "consent" => SubmitOutcome::ConsentOutdated,
            _ => return Err(missing()),
        })
    }
}

fn given_json(given: &NewSubmission) -> Value {
    json!({
        "email": given.email, "name": given.name, "phone": given.phone,
        "message": given.message, "source": given.source, "utm": given.utm,
        "consent": given.consent, "locale": given.locale,
    })
}

fn resume_json(resume: &NewResume) -> Value {
    json!({
        "id": resume.id, "storage_key": resume.storage_key, "file_name": resume.name,
        "mime": resume.mime, "bytes": resume.bytes, "sha256": hexadecimal(&resume.sha256),
    })
}

fn key_json(key: &SubmitKey) -> Value {
    json!({
        "key": key.key, "sha256": hexadecimal(&key.sha256), "seconds": key.ttl.as_secs_f64(),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
