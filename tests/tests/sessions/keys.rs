//! Keys of cookies that are replaced while people are signed in.

use base64::Engine as _;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use tenancy::Role;

use crate::support::status;

pub(crate) fn key(id: &str, byte: u8) -> String {
    format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode([byte; 64]))
}

#[tokio::test]
async fn the_newest_key_makes_cookies_and_any_is_accepted() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let (old, new) = (key("old", 1), key("new", 2));
    let both = format!("{new},{old}");
    let portal = async |keys: &str| {
        Portal::spawn_with(&world.databases, Redis::Shared, &[("SESSION_KEYS", keys)]).await
    };
    let (before, during, after) = (portal(&old).await, portal(&both).await, portal(&new).await);
    let at_before = tenant.signs_in(&before, Role::Recruiter).await;
    let mut browser = at_before.at(during.base_url());
    let answer = browser.visit("/api/session").await.expect(200);
    let set = answer.header("set-cookie");
    for attribute in ["__Host-portal=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert_eq!(status(&at_before.at(after.base_url())).await, 401, "made with the old key");
    assert_eq!(status(&browser.at(after.base_url())).await, 200, "the same session, made anew");
    assert_eq!(status(&at_before).await, 200);
    let again = browser.visit("/api/session").await.expect(200);
    assert!(!again.headers.contains_key("set-cookie"), "once is enough");
    // A sign-in that was begun under the old key is completed under the new one.
    let mut begun = before.browser();
    let subject = tenant.subject(Role::Viewer);
    let login = format!("/auth/login?organization={}", tenant.org);
    let authorize = begun.visit(&login).await.expect(303).header("location");
    let callback = begun.authorizes(&world.provider, &authorize, &subject, &tenant.org).await;
    let path = callback.strip_prefix(before.base_url()).unwrap();
    // The provider compares the address of the callback with that of the start, so that the code
    // itself is refused here; the transaction is accepted, or it would be said to be unknown.
    let refused = begun.at(during.base_url()).visit(path).await;
    assert!(refused.text.contains("login_failed"), "{}", refused.text);
    assert!(!refused.text.contains("was started elsewhere"), "{}", refused.text);
}
