//! The ledger of sessions.

use std::time::Duration;

use employer_store::sessions::{
    self, LockedTokens, NewSession, RefreshOutcome, RevocationReason, SealedTokens, SidHash,
};
use employer_store::testing::{TestMember, TestTenant, connection};
use tenancy::{EventKind, Role};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::Store;

const ISSUER: &str = "https://login.example/";
const HOUR: Duration = Duration::from_hours(1);

fn hash() -> SidHash {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(one.as_bytes());
    hash[16..].copy_from_slice(two.as_bytes());
    hash
}

fn new_session(member: &TestMember) -> NewSession {
    NewSession {
        sid_hash: hash(),
        user: member.user,
        csrf_token: "a-token-of-the-tests".to_owned(),
        subject: member.subject.clone(),
        idp_issuer: ISSUER.to_owned(),
        idp_sid: Some(Uuid::new_v4().to_string()),
        agent: "Firefox".to_owned(),
        address: "192.0.2.0/24".to_owned(),
        absolute_expires_at: now() + HOUR,
        tokens: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the database has a clock of its own")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

struct Scene {
    store: Store,
    tenant: TestTenant,
    member: TestMember,
}

impl Scene {
    async fn opens() -> Self {
        let store = Store::open().await;
        let tenant = store.tenant().await;
        let member = tenant.member(Role::Recruiter).unwrap().clone();
        Self { store, tenant, member }
    }

    async fn begins(&self) -> NewSession {
        self.begins_like(new_session(&self.member)).await
    }

    async fn begins_like(&self, new: NewSession) -> NewSession {
        let mut tx = self.store.begin(&self.tenant).await;
        sessions::create_session(&mut tx, &new).await.unwrap().expect("a member");
        assert!(tx.commit().await.unwrap().is_empty(), "nothing cached depends on it");
        new
    }

    async fn is_live(&self, session: &NewSession) -> bool {
        let found = sessions::find_session(&self.store.db, &session.sid_hash).await.unwrap();
        found.session.is_some()
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_hash_until_it_ends() {
    let scene = Scene::opens().await;
    let new = scene.begins().await;
    let found = sessions::find_session(&scene.store.db, &new.sid_hash).await.unwrap();
    let row = found.session.expect("it lasts");
    assert_eq!((row.tenant, &row.org), (scene.tenant.scope.tenant(), scene.tenant.scope.org()));
    assert_eq!((row.user, &row.subject), (new.user, &new.subject));
    assert_eq!((&row.name, &row.idp_sid), (&scene.member.name, &new.idp_sid));
    assert_eq!((row.csrf_token, row.access_expires_at), (new.csrf_token.clone(), None));
    assert!(row.created_at <= found.at && row.touched_at == row.created_at);
    let unknown = sessions::find_session(&scene.store.db, &hash()).await.unwrap();
    assert_eq!(unknown.session, None);

    let over = NewSession { absolute_expires_at: now() - HOUR, ..new_session(&scene.member) };
    let over = scene.begins_like(over).await;
    assert!(!scene.is_live(&over).await, "its time is over");

    let mut tx = scene.store.begin(&scene.tenant).await;
    let reason = RevocationReason::SignedOut;
    assert!(sessions::revoke_this(&mut tx, new.user, &new.sid_hash, reason).await.unwrap());
    assert!(!sessions::revoke_this(&mut tx, new.user, &new.sid_hash, reason).await.unwrap());
    let events = tx.commit().await.unwrap();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.kind, EventKind::SessionsRevoked);
    assert_eq!(event.subject, Some(new.user.as_uuid()));
    assert_eq!(event.payload["reason"], "signed_out");
    assert_eq!(event.payload["sids"].as_array().unwrap().len(), 1);
    assert!(!scene.is_live(&new).await);
}

#[tokio::test]
async fn whoever_is_no_member_gets_no_session() {
    let scene = Scene::opens().await;
    let stranger = scene.store.tenant().await;
    let new = new_session(stranger.member(Role::Owner).unwrap());
    let mut tx = scene.store.begin(&scene.tenant).await;
    assert_eq!(sessions::create_session(&mut tx, &new).await.unwrap(), None);
}

#[tokio::test]
async fn a_use_is_written_down_and_does_not_revive() {
    let scene = Scene::opens().await;
    let new = scene.begins().await;
    let touched = async || {
        sessions::touch_session(&scene.store.db, &new.sid_hash).await.unwrap();
        let found = sessions::find_session(&scene.store.db, &new.sid_hash).await.unwrap();
        found.session.map(|row| row.touched_at > row.created_at)
    };
    assert_eq!(touched().await, Some(true));
    let mut tx = scene.store.begin(&scene.tenant).await;
    let reason = RevocationReason::EverywhereEnded;
    assert_eq!(sessions::revoke_all_of(&mut tx, new.user, reason).await.unwrap(), 1);
    let _events = tx.commit().await.unwrap();
    assert_eq!(touched().await, None);
}

#[tokio::test]
async fn all_others_end_and_the_one_that_asks_stays() {
    let scene = Scene::opens().await;
    let (kept, other, another) = (scene.begins().await, scene.begins().await, scene.begins().await);
    let mut tx = scene.store.begin(&scene.tenant).await;
    let reason = RevocationReason::OthersEnded;
    let ended = sessions::revoke_others(&mut tx, kept.user, &kept.sid_hash, reason).await.unwrap();
    assert_eq!(ended, Some(2));
    let _events = tx.commit().await.unwrap();
    assert!(scene.is_live(&kept).await);
    assert!(!scene.is_live(&other).await && !scene.is_live(&another).await);
    assert!(scene.is_live(&scene.begins().await).await, "signing in again works");
}

#[tokio::test]
async fn a_session_that_has_ended_cannot_end_others_and_stay() {
    let scene = Scene::opens().await;
    let overtaken = new_session(&scene.member);
    let mut signing_in = scene.store.begin(&scene.tenant).await;
    sessions::create_session(&mut signing_in, &overtaken).await.unwrap();
    let mut ending = scene.store.begin(&scene.tenant).await;
    let everywhere = RevocationReason::EverywhereEnded;
    sessions::revoke_all_of(&mut ending, overtaken.user, everywhere).await.unwrap();
    let _events = ending.commit().await.unwrap();
    let _events = signing_in.commit().await.unwrap();
    let live = scene.begins().await;
    let mut tx = scene.store.begin(&scene.tenant).await;
    let (user, sid, reason) = (overtaken.user, &overtaken.sid_hash, RevocationReason::OthersEnded);
    assert_eq!(sessions::revoke_others(&mut tx, user, sid, reason).await.unwrap(), None);
    tx.rollback().await.unwrap();
    assert!(scene.is_live(&live).await && !scene.is_live(&overtaken).await);
}

#[tokio::test]
async fn a_sign_in_that_overlaps_the_end_of_everything_ends_with_it() {
    let scene = Scene::opens().await;
    let new = new_session(&scene.member);
    let mut signing_in = scene.store.begin(&scene.tenant).await;
    sessions::create_session(&mut signing_in, &new).await.unwrap();
    let mut ending = scene.store.begin(&scene.tenant).await;
    let reason = RevocationReason::MemberRemoved;
    assert_eq!(sessions::revoke_all_of(&mut ending, new.user, reason).await.unwrap(), 0);
    assert!(ending.commit().await.unwrap().is_empty(), "the removal's own event tells");
    let _events = signing_in.commit().await.unwrap();
    assert!(!scene.is_live(&new).await);
}

#[tokio::test]
async fn devices_are_listed_and_ended_by_their_own_person_alone() {
    let scene = Scene::opens().await;
    let (first, second) = (scene.begins().await, scene.begins().await);
    let mut tx = scene.store.begin(&scene.tenant).await;
    let devices = sessions::list_sessions(&mut tx, first.user, HOUR).await.unwrap();
    let hashes: Vec<SidHash> = devices.iter().map(|device| device.sid_hash).collect();
    assert_eq!(hashes, [second.sid_hash, first.sid_hash], "newest first");
    assert_eq!((&*devices[0].agent, &*devices[0].address), ("Firefox", "192.0.2.0/24"));
    let colleague = scene.tenant.member(Role::Owner).unwrap().user;
    assert_eq!(sessions::list_sessions(&mut tx, colleague, HOUR).await.unwrap(), []);
    let reason = RevocationReason::DeviceEnded;
    let handle = devices[0].handle;
    assert!(!sessions::revoke_session(&mut tx, colleague, handle, reason).await.unwrap());
    assert!(sessions::revoke_session(&mut tx, first.user, handle, reason).await.unwrap());
    let left = sessions::list_sessions(&mut tx, first.user, HOUR).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(sessions::list_revoked(&mut tx, first.user).await.unwrap(), [second.sid_hash]);
    let _events = tx.commit().await.unwrap();
    assert!(scene.is_live(&first).await && !scene.is_live(&second).await);
    let mut tx = scene.store.begin(&scene.tenant).await;
    let used_just_now = sessions::list_sessions(&mut tx, first.user, Duration::ZERO).await;
    assert_eq!(used_just_now.unwrap(), []);
}

#[tokio::test]
async fn the_identity_providers_session_leads_to_all_that_stand_on_it() {
    let scene = Scene::opens().await;
    let (one, two) = (scene.begins().await, scene.begins().await);
    let sid = one.idp_sid.clone().unwrap();
    let found = sessions::find_by_idp_sid(&scene.store.db, ISSUER, &sid).await.unwrap();
    let [signed_in] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((signed_in.user, &signed_in.org), (one.user, scene.tenant.scope.org()));
    for (issuer, sid) in [("https://other.example/", sid.as_str()), (ISSUER, "another"), ("", "\0")]
    {
        let found = sessions::find_by_idp_sid(&scene.store.db, issuer, sid).await.unwrap();
        assert_eq!(found, [], "{issuer} {sid:?}");
    }
    let by_subject = sessions::find_by_subject(&scene.store.db, &one.subject).await.unwrap();
    assert_eq!(by_subject.len(), 1, "one person in one tenant");

    let mut tx = scene.store.begin(&scene.tenant).await;
    let reason = RevocationReason::BackChannelLogout;
    let ended = sessions::revoke_by_idp_sid(&mut tx, one.user, ISSUER, &sid, reason);
    assert_eq!(ended.await.unwrap(), 1);
    let _events = tx.commit().await.unwrap();
    assert!(!scene.is_live(&one).await && scene.is_live(&two).await);
}

#[tokio::test]
async fn tokens_are_refreshed_by_one_at_a_time() {
    let scene = Scene::opens().await;
    let tokens = |sealed: &[u8], access_expires_at| SealedTokens {
        sealed: sealed.to_vec(),
        access_expires_at,
    };
    let old = Some(tokens(b"old", now()));
    let session = NewSession { tokens: old, ..new_session(&scene.member) };
    let new = scene.begins_like(session).await;
    let lock = async || {
        let mut tx = scene.store.begin(&scene.tenant).await;
        let due = now() + Duration::from_secs(5);
        let locked = sessions::lock_tokens(&mut tx, &new.sid_hash, due, HOUR).await.unwrap();
        let _events = tx.commit().await.unwrap();
        locked
    };
    let locked: LockedTokens = lock().await.expect("it is due");
    assert_eq!((locked.sealed.as_slice(), locked.version), (&b"old"[..], 0));
    assert_eq!(lock().await, None, "somebody is at it");

    let mut tx = scene.store.begin(&scene.tenant).await;
    let fresh = tokens(b"new", now() + HOUR);
    let foreign = Uuid::new_v4();
    for (lock, expected) in [(foreign, RefreshOutcome::Lost), (locked.lock, RefreshOutcome::Stored)]
    {
        let stored = sessions::store_tokens(&mut tx, &new.sid_hash, lock, &fresh).await.unwrap();
        assert_eq!(stored, expected);
    }
    let _events = tx.commit().await.unwrap();
    assert_eq!(lock().await, None, "it is not due");
}

#[tokio::test]
async fn the_ledger_keeps_to_its_tenant_and_old_rows_go() {
    let scene = Scene::opens().await;
    let new = scene.begins().await;
    let old = NewSession {
        absolute_expires_at: now() - Duration::from_hours(24 * 30),
        ..new_session(&scene.member)
    };
    let old = scene.begins_like(old).await;
    let theirs = scene.store.tenant().await;
    let mut tx = scene.store.begin(&theirs).await;
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sessions")
        .fetch_one(connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(count, 0, "another tenant's sessions are not seen");
    let reason = RevocationReason::Operator;
    assert_eq!(sessions::revoke_all_of(&mut tx, new.user, reason).await.unwrap(), 0);
    tx.rollback().await.unwrap();
    while sessions::purge_ended(&scene.store.worker).await.unwrap() > 0 {}
    let mut tx = scene.store.begin(&scene.tenant).await;
    let left = sqlx::query_scalar::<_, Vec<u8>>("SELECT sid_hash FROM sessions")
        .fetch_all(connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(left, [new.sid_hash.to_vec()]);
    assert!(!scene.is_live(&old).await);
}
