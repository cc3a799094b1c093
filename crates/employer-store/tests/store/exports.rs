//! The queue of exports: one of a tenant at a time, turns among tenants, and attempts that came too
//! late.

use std::time::Duration;

use employer_store::StoreError;
use employer_store::analytics::{Grain, OfSource, Zone};
use employer_store::exports::queue::{self, Claimed, MOST_ATTEMPTS};
use employer_store::exports::{
    self, Created, ExportBounds, ExportState, FailedFor, Made, Settled, Wanted,
};
use employer_store::files::FileKey;
use employer_store::testing::TestTenant;
use tenancy::{ExportId, Role};
use time::macros::{date, datetime};

use crate::support::Store;

const LEASE: Duration = Duration::from_secs(600);
const KEEP: Duration = Duration::from_secs(3_600);
const BOUNDS: ExportBounds = ExportBounds { open: 10, kept: 10, keep: KEEP };
const MADE: Made = Made { bytes: 7, lines: 0, as_of: datetime!(2026-11-22 12:00 UTC) };

async fn asks(store: &Store, tenant: &TestTenant) -> ExportId {
    let wanted = Wanted {
        first: date!(2026 - 10 - 01),
        last: date!(2026 - 10 - 31),
        zone: Zone::utc(),
        grain: Grain::Day,
        job: None,
        source: OfSource::Any,
    };
    let mut tx = store.begin_as(tenant, Role::Owner).await;
    let asker = tx.actor().user().unwrap();
    let created = exports::create(&mut tx, asker, &wanted, &BOUNDS).await.unwrap();
    let Created::Queued(order) = created else { panic!("{created:?}") };
    assert_eq!((order.state, order.wanted), (ExportState::Queued, wanted));
    drop(tx.commit().await.unwrap());
    order.id
}

async fn claims(store: &Store) -> Option<Claimed> {
    queue::claim(&store.worker, LEASE).await.unwrap()
}

async fn state(store: &Store, tenant: &TestTenant, id: ExportId) -> ExportState {
    let mut tx = store.begin(tenant).await;
    exports::find(&mut tx, id).await.unwrap().unwrap().state
}

async fn settles(store: &Store, tenant: &TestTenant, claimed: &Claimed) -> Settled {
    let mut tx = store.begin(tenant).await;
    let settled = exports::finish(&mut tx, claimed, &MADE, KEEP).await.unwrap();
    let events = tx.commit().await.unwrap();
    assert_eq!(events.len(), usize::from(settled == Settled::Ready));
    settled
}

/// Lets leases and pauses of all exports be over.
async fn time_passes(store: &Store) {
    let pass = sqlx::query("UPDATE exports SET due_at = now() - interval '1 second'");
    pass.execute(&mut store.superuser().await).await.unwrap();
}

#[tokio::test]
async fn a_tenant_has_one_in_the_making_and_tenants_have_turns() {
    let store = Store::open_for("exportturns").await;
    let (many, few) = (store.tenant().await, store.tenant().await);
    let first = asks(&store, &many).await;
    let second = asks(&store, &many).await;
    let third = asks(&store, &few).await;
    let one = claims(&store).await.unwrap();
    assert_eq!((one.id, one.attempt), (first, 1));
    let other = claims(&store).await.unwrap();
    assert_eq!(other.id, third, "its tenant has none in the making");
    assert_eq!(claims(&store).await, None);
    assert_eq!(settles(&store, &few, &other).await, Settled::Ready);
    let fourth = asks(&store, &few).await;
    assert_eq!(settles(&store, &many, &one).await, Settled::Ready);
    // The one whose turn is longer ago comes first, whoever asked first.
    assert_eq!(claims(&store).await.unwrap().id, second);
    assert_eq!(claims(&store).await.unwrap().id, fourth);
}

#[tokio::test]
async fn an_attempt_that_comes_too_late_changes_nothing() {
    let store = Store::open_for("exportlate").await;
    let tenant = store.tenant().await;
    let id = asks(&store, &tenant).await;
    let late = claims(&store).await.unwrap();
    assert!(queue::renew(&store.worker, &late, LEASE).await.unwrap());
    time_passes(&store).await;
    let newest = claims(&store).await.unwrap();
    assert_eq!((newest.id, newest.attempt), (id, 2));
    assert_ne!(newest.storage_key(), late.storage_key());
    assert!(!queue::renew(&store.worker, &late, LEASE).await.unwrap());
    queue::put_back(&store.worker, &late, Duration::ZERO).await.unwrap();
    assert_eq!(settles(&store, &tenant, &late).await, Settled::Lost);
    let mut tx = store.begin(&tenant).await;
    assert!(!exports::fail(&mut tx, &late, FailedFor::TooLarge, KEEP).await.unwrap());
    drop(tx);
    assert_eq!(state(&store, &tenant, id).await, ExportState::Running);
    assert_eq!(settles(&store, &tenant, &newest).await, Settled::Ready);
    assert_eq!(settles(&store, &tenant, &newest).await, Settled::Lost, "once");
    assert_eq!(state(&store, &tenant, id).await, ExportState::Ready);
}

#[tokio::test]
async fn what_is_deleted_or_hopeless_is_not_made_and_goes_with_all_its_files() {
    let store = Store::open_for("exporthopeless").await;
    let tenant = store.tenant().await;
    let hopeless = asks(&store, &tenant).await;
    for attempt in 1..=MOST_ATTEMPTS {
        assert_eq!(claims(&store).await.unwrap().attempt, attempt);
        time_passes(&store).await;
    }
    assert_eq!(claims(&store).await, None);
    assert!(queue::give_up_a_hopeless_one(&store.worker, KEEP).await.unwrap());
    assert!(!queue::give_up_a_hopeless_one(&store.worker, KEEP).await.unwrap());
    assert_eq!(state(&store, &tenant, hopeless).await, ExportState::Failed(FailedFor::GaveUp));
    let deleted = asks(&store, &tenant).await;
    let claimed = claims(&store).await.unwrap();
    let mut tx = store.begin(&tenant).await;
    assert!(exports::delete(&mut tx, deleted).await.unwrap());
    assert!(!exports::delete(&mut tx, deleted).await.unwrap());
    drop(tx.commit().await.unwrap());
    assert!(!queue::renew(&store.worker, &claimed, LEASE).await.unwrap());
    assert_eq!(settles(&store, &tenant, &claimed).await, Settled::Lost);
    // Whoever makes it may still write its file.
    assert_eq!(queue::take_ended(&store.worker, 10).await.unwrap(), []);
    time_passes(&store).await;
    let ended = queue::take_ended(&store.worker, 10).await.unwrap();
    let keys: Vec<String> = ended.iter().flat_map(queue::Ended::storage_keys).collect();
    assert_eq!(keys, [claimed.storage_key()]);
    assert_eq!(queue::take_ended(&store.worker, 10).await.unwrap(), [], "somebody is at it");
    queue::remove(&store.worker, &ended[0]).await.unwrap();
    let mut tx = store.begin(&tenant).await;
    let left: Vec<ExportId> =
        exports::list(&mut tx).await.unwrap().into_iter().map(|order| order.id).collect();
    assert_eq!(left, [hopeless]);
    drop(tx);
    let end = sqlx::query("UPDATE exports SET expires_at = now()");
    end.execute(&mut store.superuser().await).await.unwrap();
    let ended = queue::take_ended(&store.worker, 10).await.unwrap();
    assert_eq!(ended[0].storage_keys().count(), usize::from(MOST_ATTEMPTS.unsigned_abs()));
}

#[tokio::test]
async fn nobody_is_served_while_their_organization_is_suspended() -> Result<(), StoreError> {
    let store = Store::open_for("exportsuspended").await;
    let tenant = store.tenant().await;
    let id = asks(&store, &tenant).await;
    let set = async |status: &str| {
        let update = sqlx::query("UPDATE tenants SET status = $1").bind(status);
        update.execute(&mut store.superuser().await).await.unwrap();
    };
    set("suspended").await;
    assert_eq!(queue::claim(&store.worker, LEASE).await?, None);
    set("active").await;
    assert_eq!(queue::claim(&store.worker, LEASE).await?.map(|one| one.id), Some(id));
    Ok(())
}

#[tokio::test]
async fn files_of_every_attempt_belong_to_an_export_as_long_as_it_has_a_row() {
    let store = Store::open_for("exportfiles").await;
    let (tenant, other) = (store.tenant().await, store.tenant().await);
    let id = asks(&store, &tenant).await;
    let key = |of: &TestTenant, id, attempt| {
        let tenant = of.scope.tenant();
        FileKey { tenant, storage_key: exports::storage_key(tenant, id, attempt) }
    };
    let (first, fifth) = (key(&tenant, id, 1), key(&tenant, id, 5));
    let of_none = key(&tenant, ExportId::from_uuid(uuid::Uuid::now_v7()), 1);
    let of_another = key(&other, id, 1);
    let under_another = FileKey { tenant: other.scope.tenant(), ..first.clone() };
    let asked = [first.clone(), fifth.clone(), of_none, of_another, under_another];
    let found = queue::named(&store.worker, &asked).await.unwrap();
    assert_eq!(found, [first.storage_key, fifth.storage_key].into());
    let delete = sqlx::query("DELETE FROM exports");
    delete.execute(&mut store.superuser().await).await.unwrap();
    assert!(queue::named(&store.worker, &asked).await.unwrap().is_empty());
}
