//! Which stored files rows name, as those who clear away ask.

use std::collections::HashSet;

use employer_store::files::{FileKey, named, named_between, of_known_tenants};
use tenancy::{Clock as _, SystemClock, TenantId};
use time::Duration;
use uuid::Uuid;

use crate::support::Store;

fn key(tenant: TenantId, name: u128) -> FileKey {
    let storage_key =
        format!("resumes/{}/{}", tenant.as_uuid().simple(), Uuid::from_u128(name).simple());
    FileKey { tenant, storage_key }
}

/// Rows as `submit_application` writes them, without those that they belong to.
async fn write(store: &Store, keys: &[FileKey]) {
    let mut superuser = store.superuser().await;
    let mut connection = sqlx::Connection::begin(&mut superuser).await.unwrap();
    let free = "SET LOCAL session_replication_role = replica";
    sqlx::query(free).execute(&mut *connection).await.unwrap();
    for key in keys {
        let insert = "INSERT INTO candidate_files (tenant_id, id, candidate_id, application_id,
                          submission_id, kind, storage_key, file_name, mime, bytes, sha256)
                      VALUES ($1, gen_random_uuid(), $1, $1, $1, 'resume', $2, 'cv.pdf',
                          'application/pdf', 1, sha256('x'))";
        let query = sqlx::query(insert).bind(key.tenant.as_uuid()).bind(&key.storage_key);
        query.execute(&mut *connection).await.unwrap();
    }
    connection.commit().await.unwrap();
}

#[tokio::test]
async fn names_are_looked_up_in_their_own_tenant_and_in_order() {
    let store = Store::open_for("namedfiles").await;
    let mut tenants = Vec::new();
    for _ in 0..3 {
        tenants.push(store.tenant().await.scope.tenant());
    }
    tenants.sort_by_key(|tenant| tenant.as_uuid());
    let [first, second, third] = tenants[..] else { unreachable!() };
    let rows = [key(first, 0xa), key(first, 0x1f), key(second, 3), key(third, 4), key(third, 5)];
    write(&store, &rows).await;
    let db = &store.worker;
    let stranger = key(TenantId::from_uuid(Uuid::now_v7()), 1);
    let asked = vec![key(first, 0xa), key(first, 0xb), key(second, 3), stranger];
    let known = of_known_tenants(db, asked).await.unwrap();
    assert_eq!(known, [key(first, 0xa), key(first, 0xb), key(second, 3)]);
    let elsewhere = FileKey { tenant: third, storage_key: key(second, 3).storage_key };
    let found = named(db, &[known, vec![elsewhere]].concat()).await.unwrap();
    let expected: HashSet<String> =
        [key(first, 0xa), key(second, 3)].map(|key| key.storage_key).into();
    assert_eq!(found, expected);

    let now = SystemClock.now() + Duration::minutes(5);
    let between = async |after: Option<&FileKey>, until: Option<&FileKey>, limit| {
        named_between(db, after, until, now, limit).await.unwrap()
    };
    assert_eq!(between(None, None, 9).await, rows, "bytes decide, as in the store");
    assert_eq!(between(None, None, 2).await, rows[..2]);
    assert_eq!(between(Some(&rows[0]), Some(&rows[3]), 9).await, rows[1..4]);
    let gone = [key(first, 0xb), key(third, 0x44)];
    assert_eq!(between(Some(&gone[0]), Some(&gone[1]), 9).await, rows[1..]);
    let earlier = named_between(db, None, None, now - Duration::days(1), 9).await.unwrap();
    assert_eq!(earlier, [], "they are young");
}
