//! Digests and quiet hours, in the person's own zone.

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
