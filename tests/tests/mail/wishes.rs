//! Digests and quiet hours, in the person's own zone; and no mail where none is wanted any more.

use reqwest::Method;
use serde_json::json;
use tenancy::Role;

use crate::{Office, body_of, header};

#[tokio::test]
async fn a_digest_gathers_until_its_time_has_come() {
    let office = Office::opens("maildigest", &[]).await;
    office.owner_wishes("digest", "'hourly'").await;
    for _ in 0..3 {
        office.tells_the_owner().await;
    }
    // An hour from the first on, to the second.
    let waits = "mail_due_at BETWEEN created_at + interval '59 minutes'
                 AND created_at + interval '61 minutes'";
    office.until_there_are(3, waits).await;
    assert!(office.mails().is_empty());
    let later = "UPDATE notifications
                 SET mail_due_at = now(), created_at = created_at - interval '1 hour'
                 WHERE tenant_id = $1";
    office.changes(later).await;
    let mails = office.gets_mails(1).await;
    assert_eq!(mails.len(), 1, "one for all");
    assert!(header(&mails[0], "Subject").contains("3 exports are ready"), "{}", mails[0]);
    assert!(body_of(&mails[0]).contains("3 exports are ready"));
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;
}

#[tokio::test]
async fn in_quiet_hours_nothing_is_sent_until_they_end() {
    let office = Office::opens("mailquiet", &[]).await;
    // From two hours ago until in two hours, on the clocks of Kathmandu.
    let minute = |hours: i32| {
        format!(
            "(1440 + extract(hour FROM now() AT TIME ZONE 'Asia/Kathmandu')::int * 60 + {hours} * 60
              + extract(minute FROM now() AT TIME ZONE 'Asia/Kathmandu')::int) % 1440"
        )
    };
    let values = format!("{}, {}, 'Asia/Kathmandu'", minute(-2), minute(2));
    office.owner_wishes("quiet_from, quiet_until, time_zone", &values).await;
    office.tells_the_owner().await;
    let waits =
        "mail_due_at BETWEEN now() + interval '118 minutes' AND now() + interval '121 minutes'";
    office.until_there_are(1, waits).await;
    assert!(office.mails().is_empty());
    office.changes("UPDATE notification_preferences SET quiet_from = NULL, quiet_until = NULL WHERE tenant_id = $1").await;
    office.changes("UPDATE notifications SET mail_due_at = now() WHERE tenant_id = $1").await;
    assert_eq!(office.gets_mails(1).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_does_not_go() {
    let settings = [("PORTAL__NOTIFICATIONS__MAIL_DELAY_SECONDS", "3600")];
    let office = Office::opens("mailunwanted", &settings).await;
    let owner = office.tenant.signs_in(&office.portal, Role::Owner).await;
    office.tells_the_owner().await;
    office.changes(crate::A_WEBHOOK_IS_DISABLED).await;
    let (export, webhook) = ("kind = 'export_ready'", "kind = 'webhook_disabled'");
    let due = |kind: &str| format!("{kind} AND mail_due_at IS NOT NULL");
    office.until_there_are(1, &due(export)).await;
    office.until_there_are(2, &due(webhook)).await;
    let wish = json!({ "kinds": { "export_ready": { "mail": false } } });
    let path = "/api/notifications/preferences";
    let _ = owner.send(owner.request(Method::PUT, path).json(&wish)).await.expect(200);
    assert_eq!(office.count(&due(export)).await, 0, "at once");
    assert_eq!(office.count(&due(webhook)).await, 2, "and nothing else");
    // Queued by somebody who had read the wishes of before.
    let late = "UPDATE notifications SET mail_due_at = now()
                WHERE tenant_id = $1 AND kind = 'export_ready'";
    office.changes(late).await;
    office.until_there_are(0, &due(export)).await;
    assert_eq!(office.mails(), Vec::<String>::new());
    let wish = json!({ "kinds": { "webhook_disabled": { "in_app": false } } });
    let _ = owner.send(owner.request(Method::PUT, path).json(&wish)).await.expect(200);
    assert_eq!(office.count(&due(webhook)).await, 1, "the admin's");
}
