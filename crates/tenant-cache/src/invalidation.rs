//! From an event to the stamps that it replaces.

use std::collections::BTreeSet;

use bytes::Bytes;
use redis_provider::{Command, RedisError, RedisProvider, Reply, Script, ScriptReply};
use tenancy::{Change, Clock, EventKind, JobChange, Tag, TenantScope};

use crate::cache::TenantCache;
use crate::coherence::{Record, Stamp, Target};
use crate::generation::tag_lifetime;
use crate::registry::Operation;

/// Attempts to be later than the stamp in force; more than one is needed only where clocks differ
/// or two invalidations meet.
const ATTEMPTS: usize = 5;

impl TenantCache {
    /// Drops what a change of the tenant may have made wrong: where it says what it changed, the
    /// answers that are made of that; else all that its kind of event drops.
    ///
    /// When this answers `Ok`, nothing older is served any more by any instance. When it fails,
    /// nothing older is served by this one, and it is repeated until it succeeds; but a process may
    /// end before that, so whoever needs it done has to see to it.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; the invalidation may then not have happened.
    pub async fn invalidate_change(
        &self,
        scope: &TenantScope,
        change: &Change,
    ) -> Result<(), RedisError> {
        self.replace(scope, targets(scope, change), Script::AdvanceStamp).await.map(drop)
    }
}

/// What a change in a tenant drops. One that does not say which entity it happened to may have
/// happened to any: the whole feature goes. One that does not say what is different about a job
/// drops that job and every list and figure.
pub(crate) fn targets(scope: &TenantScope, change: &Change) -> BTreeSet<Target> {
    if change.kind == EventKind::TenantSuspended {
        return BTreeSet::from([Target::whole_tenant(scope)]);
    }
    // A job that was neither there before nor after is none that we understand.
    let job = change.job.as_ref().filter(|job| job.states().next().is_some());
    let mut targets = BTreeSet::new();
    for operation in Operation::ALL {
        if !operation.policy().dropped_by.contains(&change.kind) {
            continue;
        }
        let feature = operation.feature();
        let mut tags = tags(operation, change, job);
        match (operation.entity_kind(), change.subject) {
            (Some(kind), Some(subject)) => {
                tags.insert(Tag::entity(kind, subject));
            }
            (Some(_), None) => {
                let key = scope.feature_generation_key(feature);
                targets.insert(Target { key, expires: false });
            }
            (None, _) => {}
        }
        targets.extend(tags.iter().map(|tag| {
            let key = scope.tag_generation_key(feature, tag);
            Target { key, expires: true }
        }));
    }
    targets
}

fn tags(operation: Operation, change: &Change, job: Option<&JobChange>) -> BTreeSet<Tag> {
    let known = match operation {
        Operation::ApplicationsList => operation.tags_of_applications_after(change, job),
        _ => job.map(|job| operation.tags_of_change(job)),
    };
    known.unwrap_or_else(|| operation.own_tag().into_iter().collect())
}

/// How far an attempt to replace generations came.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Replaced: no value loaded before can be served any more.
    pub(crate) done: Vec<Target>,
    /// Their new stamps, in the same order.
    pub(crate) stamps: Vec<Stamp>,
    /// Why the others were not, or are not known to be.
    pub(crate) error: Option<RedisError>,
}

/// Replaces generations, each as far as the service allows: one that fails does not keep the
/// others from being replaced.
///
/// `script` is [`Script::AdvanceStamp`], or its soft form. Every attempt writes a new stamp: repeating one could revive what another invalidation has
/// dropped since.
pub(crate) async fn replace(
    provider: &dyn RedisProvider,
    clock: &dyn Clock,
    targets: Vec<Target>,
    script: Script,
) -> Progress {
    let mut progress = Progress::default();
    let mut open: Vec<(Target, Option<Stamp>)> =
        targets.into_iter().map(|target| (target, None)).collect();
    for _ in 0..ATTEMPTS {
        if open.is_empty() {
            return progress;
        }
        open = advance(provider, clock, open, script, &mut progress).await;
    }
    if !open.is_empty() {
        let error = || RedisError::Protocol("a generation could not be advanced".to_owned());
        progress.error.get_or_insert_with(error);
    }
    progress
}

/// One attempt; answers what is still open, with the stamp that stood in the way.
async fn advance(
    provider: &dyn RedisProvider,
    clock: &dyn Clock,
    open: Vec<(Target, Option<Stamp>)>,
    script: Script,
    progress: &mut Progress,
) -> Vec<(Target, Option<Stamp>)> {
    let stamps: Vec<Stamp> =
        open.iter().map(|(_, after)| Stamp::mint(clock, after.as_ref())).collect();
    let commands = open
        .iter()
        .zip(&stamps)
        .map(|((target, _), stamp)| {
            let lifetime = if target.expires { tag_lifetime().as_millis() } else { 0 };
            Command::Evaluate(
                script,
                vec![target.key.clone()],
                vec![stamp.to_bytes(), Bytes::from(lifetime.to_string())],
            )
        })
        .collect();
    let replies = match provider.pipeline(commands).await {
        Ok(replies) => replies,
        Err(error) => {
            progress.error = Some(error);
            return Vec::new();
        }
    };
    let mut still_open = Vec::new();
    for (((target, _), stamp), reply) in open.into_iter().zip(stamps).zip(replies) {
        match reply {
            Ok(Reply::Script(ScriptReply::Bytes(in_force))) if in_force == stamp.as_bytes() => {
                progress.done.push(target);
                progress.stamps.push(stamp);
            }
            Ok(Reply::Script(ScriptReply::Bytes(in_force))) => {
                let in_the_way = Record::parse(&in_force).map(|record| record.stamp);
                still_open.push((target, in_the_way));
            }
            Ok(_) => {
                let error = RedisError::Protocol("AdvanceStamp answered no stamp".to_owned());
                progress.error = Some(error);
            }
            Err(error) => progress.error = Some(error),
        }
    }
    still_open
}

#[cfg(test)]
mod tests {
    use tenancy::{Evidence, JobField, JobState, TenantId};
    use uuid::Uuid;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
    fn scope() -> TenantScope {
        let tenant = TenantId::from_uuid(Uuid::nil());
        TenantScope::from_verified(tenant, "org_a".parse().unwrap(), Evidence::SystemTask("test"))
    }

    fn keys(change: &Change) -> Vec<String> {
        targets(&scope(), change).into_iter().map(|target| target.key).collect()
    }

    fn edit(fields: &[JobField]) -> Change {
        let job = JobChange {
            before: Some(JobState::Published),
            after: Some(JobState::Published),
            fields: fields.to_vec(),
            places: Some(vec!["denver".to_owned()]),
            team: Some(Vec::new()),
        };
        let subject = Some(Uuid::from_u128(7));
        Change { kind: EventKind::JobUpdated, subject, of_job: None, job: Some(job) }
    }

    #[test]
    fn a_change_that_says_what_it_changed_drops_that() {
        assert_eq!(
            keys(&edit(&[JobField::Openings])),
            [
                "tenant:{org_a:jobs}:!t:job-00000000000000000000000000000007",
                "tenant:{org_a:jobs}:!t:list-all",
                "tenant:{org_a:jobs}:!t:list-at-denver",
                "tenant:{org_a:jobs}:!t:list-in-published",
                "tenant:{org_a:jobs}:!t:list-public",
            ]
        );
        let pay = keys(&edit(&[JobField::Salary]));
        assert!(pay.contains(&"tenant:{org_a:jobs}:!t:stats-public".to_owned()), "{pay:?}");
        assert!(pay.contains(&"tenant:{org_a:search}:!t:job-facets-pay".to_owned()), "{pay:?}");
    }

    #[test]
    fn a_job_that_was_never_there_is_not_believed() {
        let mut change = edit(&[]);
        let known = change.job.take().unwrap();
        let unknown = keys(&change);
        change.job = Some(JobChange { before: None, after: None, ..known });
        assert_eq!(keys(&change), unknown);
    }

    #[test]
    fn a_job_event_drops_the_lists_the_figures_and_that_job_only() {
        let change = Change::unknown(EventKind::JobUpdated, Some(Uuid::from_u128(7)));
        let keys = keys(&change);
        assert_eq!(
            keys,
            [
                "tenant:{org_a:applications}:!t:list",
                "tenant:{org_a:jobs}:!t:job-00000000000000000000000000000007",
                "tenant:{org_a:jobs}:!t:list",
                "tenant:{org_a:jobs}:!t:stats",
                "tenant:{org_a:search}:!t:job-facets",
            ]
        );
    }

    #[test]
    fn an_application_drops_the_lists_for_its_job_and_for_any_and_nothing_of_jobs() {
        let (subject, of_job) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(7)));
        let lists = [
            "tenant:{org_a:applications}:!t:list-for-00000000000000000000000000000007",
            "tenant:{org_a:applications}:!t:list-for-any",
        ];
        for kind in [
            EventKind::ApplicationSubmitted,
            EventKind::ApplicationResubmitted,
            EventKind::ApplicationStageChanged,
        ] {
            assert_eq!(keys(&Change { kind, subject, of_job, job: None }), lists);
            let unknown = keys(&Change::unknown(kind, subject));
            assert_eq!(unknown, ["tenant:{org_a:applications}:!t:list"], "of no known job");
        }
        let renamed = keys(&edit(&[JobField::Title]));
        assert!(lists.iter().all(|list| renamed.contains(&(*list).to_owned())), "{renamed:?}");
    }

    #[test]
    fn an_event_that_names_no_job_drops_all_of_them() {
        let targets = targets(&scope(), &Change::unknown(EventKind::JobUpdated, None));
        let feature = Target { key: "tenant:{org_a:jobs}:!g".to_owned(), expires: false };
        assert!(targets.contains(&feature), "{targets:?}");
    }

    #[test]
    fn a_suspension_is_one_stamp_at_any_size() {
        let targets = targets(&scope(), &Change::unknown(EventKind::TenantSuspended, None));
        assert_eq!(targets.len(), 1);
        assert_eq!(targets.first().unwrap().key, "tenant:{org_a}:!g");
    }
}
