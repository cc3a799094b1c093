//! From the invitation to the first day.

use portal_tests::client::{Answer, Browser};
use portal_tests::console::{Console, FOLLOWS};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

use crate::support::{changes_role, removes, team};

/// Somebody who has an account at the identity provider and no place anywhere.
async fn newcomer(tenant: &Tenant, name: &str) -> String {
    let subject = format!("auth0|{name}-{}", tenant.slug);
    tenant.provider().has_person(&subject, "Nora Newcomer", &[]).await;
    subject
}

fn address_of(subject: &str) -> String {
    format!("{}@example.com", subject.replace('|', "."))
}

async fn invites(browser: &Browser, email: &str, role: &str) -> Answer {
    browser.post("/api/invitations", &json!({ "email": email, "role": role })).await
}

/// The link of the newest invitation, as the mail has it.
async fn link(console: &Console, org: &str) -> String {
    let invitations = console.invitations(org).await;
    let url = invitations.last().unwrap()["invitation_url"].as_str().unwrap();
    let query = url::Url::parse(url).unwrap().query().unwrap().to_owned();
    format!("/auth/login?{query}")
}

/// Follows a link and signs in.
async fn follows(portal: &Portal, tenant: &Tenant, link: &str, subject: &str) -> (Browser, Answer) {
    let mut browser = portal.browser();
    let login = browser.visit(link).await.expect(303);
    let authorize = login.header("location");
    let callback = browser.authorizes(tenant.provider(), &authorize, subject, &tenant.org).await;
    let path = callback.strip_prefix(portal.base_url()).unwrap().to_owned();
    let answer = browser.visit(&path).await;
    (browser, answer)
}

#[tokio::test]
async fn an_invited_person_becomes_a_member_once() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(tenant.provider()).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let subject = newcomer(&tenant, "nora").await;
    let invited = invites(&owner, &address_of(&subject), "recruiter").await.expect(201);
    assert!(invited.header("location").starts_with("/api/invitations/"));
    assert!(!invited.text.contains("invitation="), "the link goes to the invited person alone");
    let open = owner.get("/api/invitations").await.expect(200).json();
    assert_eq!(open["data"][0]["email"], address_of(&subject));
    let link = link(&console, &tenant.org).await;

    let (nora, answer) = follows(&portal, &tenant, &link, &subject).await;
    let _ = answer.expect(303);
    let session = nora.get("/api/session").await.expect(200).json();
    assert_eq!(
        (&session["role"], &session["organization"]["id"]),
        (&json!("recruiter"), &json!(tenant.org))
    );
    assert_eq!(team(&owner).await.len(), Role::ALL.len() + 1);
    let open = owner.get("/api/invitations").await.expect(200).json();
    assert_eq!(open["data"], json!([]));
    assert_eq!(tenant.audited("user_created").await, 1);
    // It was once: the identity provider does not take the ticket again, nor would we.
    let mut browser = portal.browser();
    let login = browser.visit(&link).await.expect(303);
    let refused = reqwest_get(&login.header("location")).await;
    assert!(refused.contains("error="), "{refused}");
    // The next sign-in is like anybody's.
    let mut again = portal.browser();
    again.signs_in(tenant.provider(), &subject, &tenant.org).await;
    assert_eq!(team(&owner).await.len(), Role::ALL.len() + 1);
}

/// Where the identity provider sends the browser at once.
async fn reqwest_get(url: &str) -> String {
    let answer = portal_tests::client::http().get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_invitation_is_for_one_address_and_ends_when_it_is_withdrawn() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(tenant.provider()).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let subject = newcomer(&tenant, "nora").await;
    let address = address_of(&subject);
    invites(&admin, &address, "owner").await.expect_problem(403, "forbidden");
    invites(&admin, "nobody", "viewer").await.expect_problem(422, "validation_failed");
    let member = address_of(&tenant.subject(Role::Viewer));
    invites(&admin, &member, "viewer").await.expect_problem(409, "conflict");
    let invited = invites(&admin, &address, "viewer").await.expect(201).json();
    invites(&admin, &address.to_uppercase(), "viewer").await.expect_problem(409, "conflict");
    for role in [Role::Recruiter, Role::HiringManager, Role::Viewer] {
        let weak = tenant.signs_in(&portal, role).await;
        invites(&weak, "x@example.com", "viewer").await.expect_problem(403, "forbidden");
        weak.get("/api/invitations").await.expect_problem(403, "forbidden");
    }
    let link = link(&console, &tenant.org).await;
    let path = format!("/api/invitations/{}", invited["id"].as_str().unwrap());
    let stranger = world.tenant().await.signs_in(&portal, Role::Owner).await;
    let foreign = stranger.send(stranger.request(Method::DELETE, &path)).await;
    foreign.expect_problem(404, "not_found");
    assert_eq!(admin.send(admin.request(Method::DELETE, &path)).await.status, 204);
    admin.send(admin.request(Method::DELETE, &path)).await.expect_problem(404, "not_found");
    assert!(console.invitations(&tenant.org).await.is_empty());
    let mut browser = portal.browser();
    let login = browser.visit(&link).await.expect(303);
    assert!(reqwest_get(&login.header("location")).await.contains("error="));
    // Withdrawn, the address can be invited anew.
    let _ = invites(&admin, &address, "viewer").await.expect(201);
}

#[tokio::test]
async fn an_invitation_ends_with_the_power_that_made_it() {
    let world = World::shared().await;
    for settings in [&[][..], &FOLLOWS] {
        for is_removed in [false, true] {
            let tenant = world.tenant().await;
            let portal = Portal::spawn_with(&world.databases, Redis::Memory, settings).await;
            let console = Console::of(tenant.provider()).await;
            let owner = tenant.signs_in(&portal, Role::Owner).await;
            let admin = tenant.signs_in(&portal, Role::Admin).await;
            let subject = newcomer(&tenant, "nora").await;
            let _ = invites(&admin, &address_of(&subject), "admin").await.expect(201);
            let link = link(&console, &tenant.org).await;
            let inviter = tenant.user(Role::Admin).await;
            if is_removed {
                assert_eq!(removes(&owner, inviter).await.status, 204);
            } else {
                let _ = changes_role(&owner, inviter, "recruiter").await.expect(200);
            }
            // The ticket is still good at the identity provider.
            let (_, answer) = follows(&portal, &tenant, &link, &subject).await;
            answer.expect_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn an_invitation_that_is_not_ours_makes_nobody_a_member() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let subject = newcomer(&tenant, "nora").await;
    let ticket = invited_by_provider(&tenant, &subject, "owner").await;
    let link = format!("/auth/login?invitation={ticket}&organization={}", tenant.org);
    let (_, answer) = follows(&portal, &tenant, &link, &subject).await;
    answer.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn where_the_identity_provider_decides_its_own_invitation_is_enough() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let subject = newcomer(&tenant, "nora").await;
    let ticket = invited_by_provider(&tenant, &subject, "admin").await;
    let link = format!("/auth/login?invitation={ticket}&organization={}", tenant.org);
    let (nora, answer) = follows(&portal, &tenant, &link, &subject).await;
    let _ = answer.expect(303);
    assert_eq!(nora.get("/api/session").await.expect(200).json()["role"], "admin");

    // Ours is given the role there, so that it says so as well.
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let second = newcomer(&tenant, "nils").await;
    let _ = invites(&owner, &address_of(&second), "recruiter").await.expect(201);
    let link = self::link(&console, &tenant.org).await;
    let (_, answer) = follows(&portal, &tenant, &link, &second).await;
    let _ = answer.expect(303);
    assert_eq!(console.roles_of(&tenant.org, &second).await.unwrap(), ["recruiter"]);
}

async fn invited_by_provider(tenant: &Tenant, subject: &str, role: &str) -> String {
    let body = json!({ "organization": tenant.org, "email": address_of(subject), "role": role });
    let url = format!("{}dev/invitations", tenant.provider().issuer());
    let answer = portal_tests::client::http().post(url).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["invitation"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_attempt_that_is_repeated_invites_once_and_an_outage_invites_nobody() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(tenant.provider()).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let body = json!({ "email": "nora@example.com", "role": "viewer" });
    console.fails(&tenant.org, json!({ "management_status": 500 })).await;
    owner.post("/api/invitations", &body).await.expect_problem(503, "unavailable");
    console.is_mended(&tenant.org).await;
    assert_eq!(owner.get("/api/invitations").await.expect(200).json()["data"], json!([]));
    for _ in 0..2 {
        let request = owner.request(Method::POST, "/api/invitations").json(&body);
        let _ = owner.send(request.header("Idempotency-Key", "one")).await.expect(201);
    }
    assert_eq!(console.invitations(&tenant.org).await.len(), 1);
}
