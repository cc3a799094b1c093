//! Whose turn it is to compare figures with the log.

use std::time::Duration;

use employer_store::analytics::{audit, claim_audit, last_audit};
use sqlx::Executor as _;
use tenancy::{Clock as _, SystemClock};

use crate::support::{Store, a_job};

const NIGHTLY: Duration = Duration::from_secs(24 * 3_600);
const PATIENCE: Duration = Duration::from_secs(900);

#[tokio::test]
async fn one_of_many_compares_and_another_takes_over_what_was_given_up() {
    let store = Store::open_for("auditing").await;
    let claim = || claim_audit(&store.worker, NIGHTLY, PATIENCE);
    let (one, two, three, four) = tokio::join!(claim(), claim(), claim(), claim());
    let claims: Vec<_> =
        [one, two, three, four].into_iter().filter_map(|claim| claim.unwrap()).collect();
    assert_eq!(claims.len(), 1, "{claims:?}");
    assert_eq!(last_audit(&store.worker).await.unwrap(), None, "it is not finished");
    let mut superuser = store.superuser().await;
    let _ =
        superuser.execute("UPDATE rollup_audits SET started_at = now() - interval '1 hour'").await;
    let taken_over = claim_audit(&store.worker, NIGHTLY, PATIENCE).await.unwrap();
    assert_eq!(taken_over, Some(claims[0]));
    assert_eq!(claim_audit(&store.worker, NIGHTLY, PATIENCE).await.unwrap(), None);
    let drifting = audit(&store.worker, claims[0], SystemClock.now()).await.unwrap();
    let last = last_audit(&store.worker).await.unwrap().unwrap();
    assert_eq!((last.due_at, last.drifting), (claims[0], drifting));
    let _ =
        superuser.execute("UPDATE rollup_audits SET started_at = now() - interval '1 hour'").await;
    assert_eq!(claim_audit(&store.worker, NIGHTLY, PATIENCE).await.unwrap(), None, "it is done");
}

#[tokio::test]
async fn a_sum_that_no_event_explains_is_found_in_whichever_tenant() {
    let store = Store::open_for("drifting").await;
    let mut superuser = store.superuser().await;
    let due_at = claim_audit(&store.worker, NIGHTLY, PATIENCE).await.unwrap().unwrap();
    let found = async || audit(&store.worker, due_at, SystemClock.now()).await.unwrap();
    let before = found().await;
    for _ in 0..3 {
        let tenant = store.tenant().await;
        let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
        sqlx::query(
            "INSERT INTO metric_hours (tenant_id, job_id, kind, bucket, n)
             VALUES ($1, $2, 'application.submitted', date_trunc('hour', now()), 1)",
        )
        .bind(tenant.scope.tenant().as_uuid())
        .bind(job.as_uuid())
        .execute(&mut superuser)
        .await
        .unwrap();
    }
    assert_eq!(found().await - before, 3);
}
