//! What is known of a subject before a tenant is.

use std::net::IpAddr;

use employer_store::audit;
use employer_store::identity::{self, TenantStatus};
use employer_store::testing::{NewTenant, connection};
use serde_json::json;
use tenancy::{OrgId, Role};

use crate::support::{Store, connect};

#[tokio::test]
async fn a_member_is_found_in_their_organization_and_nowhere_else() {
    let store = Store::open().await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let member = ours.member(Role::HiringManager).unwrap();
    let org = ours.scope.org();
    let found = identity::find_membership(&store.db, &member.subject, org).await.unwrap().unwrap();
    assert_eq!((found.tenant, &found.org), (ours.scope.tenant(), org));
    assert_eq!((found.user, found.role, found.role_version), (member.user, member.role, 1));
    assert_eq!((found.name.as_str(), found.email.as_str()), (&*member.name, &*member.email));
    assert_eq!((found.tenant_name, found.tenant_slug), (ours.name.clone(), ours.slug.clone()));
    assert_eq!(found.tenant_status, TenantStatus::Active);
    assert_eq!((&*found.time_zone, &*found.locale, &*found.currency), ("UTC", "en", "USD"));

    let unknown_org: OrgId = "org_unknown".parse().unwrap();
    for (subject, org) in [
        (member.subject.as_str(), theirs.scope.org()),
        (member.subject.as_str(), &unknown_org),
        ("auth0|nobody", org),
        ("", org),
        ("\0", org),
        ("%", org),
    ] {
        let found = identity::find_membership(&store.db, subject, org).await.unwrap();
        assert_eq!(found, None, "{subject:?} in {org}");
    }
}

#[tokio::test]
async fn suspended_tenants_are_shown_as_such_and_archived_ones_not_at_all() {
    let store = Store::open().await;
    for (status, expected) in
        [(TenantStatus::Suspended, Some(TenantStatus::Suspended)), (TenantStatus::Archived, None)]
    {
        let tenant = store.tenant_like(NewTenant { status, ..NewTenant::default() }).await;
        let subject = &tenant.members[0].subject;
        let found =
            identity::find_membership(&store.db, subject, tenant.scope.org()).await.unwrap();
        assert_eq!(found.map(|membership| membership.tenant_status), expected);
        assert_eq!(identity::list_organizations(&store.db, subject).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_persons_organizations_are_listed() {
    let store = Store::open().await;
    let (first, second) = (store.tenant().await, store.tenant().await);
    let member = first.member(Role::Admin).unwrap();
    let mut owner = connect(&store.database.owner_url).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "BEGIN; SELECT set_config('app.tenant_id', '{0}', true);
         INSERT INTO memberships (tenant_id, user_id, role) VALUES ('{0}', '{1}', 'viewer'); COMMIT",
        second.scope.tenant(),
        member.user,
    )))
    .execute(&mut owner)
    .await
    .unwrap();
    let listed = identity::list_organizations(&store.db, &member.subject).await.unwrap();
    let mut listed: Vec<_> = listed.into_iter().map(|o| (o.org, o.name, o.slug, o.role)).collect();
    listed.sort();
    let mut expected = vec![
        (first.scope.org().clone(), first.name, first.slug, Role::Admin),
        (second.scope.org().clone(), second.name, second.slug, Role::Viewer),
    ];
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(identity::list_organizations(&store.db, "auth0|nobody").await.unwrap(), []);
}

#[tokio::test]
async fn a_sign_in_updates_the_person_and_leaves_a_trace() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let member = tenant.member(Role::Viewer).unwrap();
    let org = tenant.scope.org();
    let sign_in = async |subject: &str, name: &str, email: &str| {
        identity::record_sign_in(&store.db, subject, org, name, email).await.unwrap()
    };
    let signed_in = sign_in(&member.subject, " Ada\0 L. ", "Ada@Example.ORG").await.unwrap();
    assert_eq!((&*signed_in.name, &*signed_in.email), ("Ada L.", "ada@example.org"));
    let long = "x".repeat(5_000);
    let cut = sign_in(&member.subject, &long, &long).await.unwrap();
    assert_eq!((cut.name.len(), &*cut.email), (200, "ada@example.org"));
    let kept = sign_in(&member.subject, "", "").await.unwrap();
    assert_eq!((&kept.name, &kept.email), (&cut.name, &cut.email));
    assert_eq!(sign_in("auth0|nobody", "A", "a@b.c").await, None);

    let mut tx = store.begin(&tenant).await;
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT actor, resource FROM audit_log WHERE action = 'authn_login_success'",
    )
    .fetch_all(connection(&mut tx))
    .await
    .unwrap();
    let person = format!("user:{}", member.user);
    assert_eq!(rows, vec![(person.clone(), person); 3]);
    let refused = sqlx::query("UPDATE users SET name = 'x'").execute(connection(&mut tx)).await;
    assert!(refused.is_err(), "the application itself cannot write people");
}

#[tokio::test]
async fn an_audit_row_has_who_what_and_from_where() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let mut tx = store.begin_as(&tenant, Role::Admin).await;
    let ip: IpAddr = "2001:db8::1".parse().unwrap();
    audit::record(&mut tx, "cache_invalidated", "cache:jobs", json!({"keys": 2}), Some(ip))
        .await
        .unwrap();
    let row: (String, String, String, serde_json::Value, String) =
        sqlx::query_as("SELECT actor, action, resource, detail, host(ip) FROM audit_log")
            .fetch_one(connection(&mut tx))
            .await
            .unwrap();
    let admin = tenant.member(Role::Admin).unwrap().actor().audit_name();
    let expected = (admin, "cache_invalidated".into(), "cache:jobs".into());
    assert_eq!((row.0, row.1, row.2), expected);
    assert_eq!((row.3, row.4), (json!({"keys": 2}), "2001:db8::1".to_owned()));
}
