//! Mails about what nobody has read: when they go, what is in them, and how they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod server;
mod wishes;

use std::path::PathBuf;
use std::time::Duration;

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use reqwest::{Method, Url};
use sqlx::{Connection as _, PgConnection};
use tenancy::Role;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

/// Owners and admins are told.
const A_WEBHOOK_IS_DISABLED: &str = "INSERT INTO outbox (tenant_id, kind, subject, payload)
     VALUES ($1, 'webhook.disabled', gen_random_uuid(), '{\"reason\": \"failing\"}')";

/// A portal that mails the owner what nobody reads for a second.
struct Office {
    world: World,
    tenant: Tenant,
    portal: Portal,
    folder: PathBuf,
}

impl Office {
    /// `purpose` names the database: no other portal sends this one's mails.
    async fn opens(purpose: &str, settings: &[(&str, &str)]) -> Self {
        let world = World::for_purpose(purpose).await;
        let tenant = world.tenant().await;
        let folder = std::env::temp_dir().join(format!("mails-{}", Uuid::new_v4().simple()));
        let path = folder.to_str().unwrap().to_owned();
        let mut all = vec![
            ("PORTAL__MAIL__FOLDER", path.as_str()),
            ("PORTAL__MAIL__INTERVAL_MS", "100"),
            ("PORTAL__NOTIFICATIONS__MAIL_DELAY_SECONDS", "1"),
        ];
        all.extend(settings);
        let portal = Portal::spawn_with(&world.databases, Redis::Memory, &all).await;
        Self { world, tenant, portal, folder }
    }

    async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.world.databases.superuser_url).await.unwrap()
    }

    /// Tells the owner that an export is ready, as an event does.
    async fn tells_the_owner(&self) {
        let user = self.tenant.user(Role::Owner).await;
        let tell = "INSERT INTO outbox (tenant_id, kind, payload)
                    VALUES ($1, 'export.ready', jsonb_build_object('user', $2::text))";
        let query = sqlx::query(tell).bind(self.tenant.id).bind(user);
        query.execute(&mut self.superuser().await).await.unwrap();
    }

    /// What the owner wishes, written where their wishes stand.
    async fn owner_wishes(&self, columns: &str, values: &str) {
        let user = self.tenant.user(Role::Owner).await;
        let wish = format!(
            "INSERT INTO notification_preferences (tenant_id, user_id, {columns})
             VALUES ($1, $2, {values})"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(wish)).bind(self.tenant.id).bind(user);
        query.execute(&mut self.superuser().await).await.unwrap();
    }

    async fn count(&self, what: &str) -> i64 {
        let count = format!("SELECT count(*) FROM notifications WHERE tenant_id = $1 AND {what}");
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).bind(self.tenant.id);
        query.fetch_one(&mut self.superuser().await).await.unwrap()
    }

    async fn changes(&self, statement: &str) {
        let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).bind(self.tenant.id);
        query.execute(&mut self.superuser().await).await.unwrap();
    }

    async fn until_there_are(&self, count: i64, what: &str) {
        eventually(&format!("{count} notifications where {what}"), SOON, async || {
            (self.count(what).await == count).then_some(())
        })
        .await;
    }

    /// The mails in the folder, by now.
    fn mails(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = folder.map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|one| one == "eml")).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    async fn gets_mails(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} mails"), SOON, async || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
        .await
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A header, unfolded.
fn header(mail: &str, name: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let wanted = format!("{name}: ");
    let line = head.lines().find_map(|line| line.strip_prefix(&wanted));
    line.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_not_read_is_mailed_once_with_a_link_that_ends_it() {
    let office = Office::opens("mailonce", &[]).await;
    office.tells_the_owner().await;
    let mail = office.gets_mails(1).await.remove(0);
    assert!(header(&mail, "Subject").contains("1 export is ready"), "{mail}");
    assert!(header(&mail, "To").contains("@example.com"));
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mail, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;

    let link = header(&mail, "List-Unsubscribe");
    let link: Url = link.trim_matches(['<', '>']).parse().unwrap();
    let path = format!("{}?{}", link.path(), link.query().unwrap());
    assert!(link.as_str().starts_with(office.portal.base_url()));
    // Programs that look into mails follow links: that ends nothing.
    let page = office.portal.browser().get(&path).await.expect(200);
    assert!(page.text.contains("method=\"post\""));
    assert_eq!(office.tenant.audited("mail_turned_off").await, 0);
    // What a mail program sends.
    let stranger = office.portal.browser();
    let request = stranger.request(Method::POST, &path);
    let request = request.form(&[("List-Unsubscribe", "One-Click")]);
    let _ = stranger.send(request).await.expect(200);
    assert_eq!(office.tenant.audited("mail_turned_off").await, 1);
    office.tells_the_owner().await;
    office.until_there_are(2, "kind = 'export_ready'").await;
    assert_eq!(office.count("mail_due_at IS NOT NULL").await, 0, "they still see it, unmailed");
    assert_eq!(office.mails().len(), 1);

    for wrong in ["/public/mail/unsubscribe", "/public/mail/unsubscribe?token=AAAA"] {
        drop(stranger.get(wrong).await.expect_problem(404, "not_found"));
    }
    let forged = format!("{}A", &path[..path.len() - 1]);
    let twisted = if forged == path { format!("{}B", &path[..path.len() - 1]) } else { forged };
    let request = stranger.request(Method::POST, &twisted);
    assert_eq!(stranger.send(request).await.status, 404);
}

#[tokio::test]
async fn what_was_read_is_not_mailed() {
    let settings = [("PORTAL__NOTIFICATIONS__MAIL_DELAY_SECONDS", "3600")];
    let office = Office::opens("mailread", &settings).await;
    office.tells_the_owner().await;
    office.until_there_are(1, "mail_due_at IS NOT NULL").await;
    // Read, and due at the same moment: whoever looks, sends nothing.
    office
        .changes(
            "UPDATE notifications SET read_at = now(), mail_due_at = now() WHERE tenant_id = $1",
        )
        .await;
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;
    assert_eq!(office.mails(), Vec::<String>::new());
}

#[tokio::test]
async fn who_may_not_see_it_any_more_gets_no_mail() {
    let settings = [("PORTAL__NOTIFICATIONS__MAIL_DELAY_SECONDS", "3600")];
    let office = Office::opens("mailseen", &settings).await;
    office.changes(A_WEBHOOK_IS_DISABLED).await;
    office.until_there_are(2, "mail_due_at IS NOT NULL").await;
    office.tenant.changes_role_behind_everybody(Role::Admin, Role::Viewer).await;
    office.changes("UPDATE notifications SET mail_due_at = now() WHERE tenant_id = $1").await;
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;
    let mails = office.gets_mails(1).await;
    assert_eq!(mails.len(), 1);
    assert!(header(&mails[0], "Subject").contains("1 webhook was disabled"));
    assert!(header(&mails[0], "To").contains("-owner@"), "{}", mails[0]);
}

#[tokio::test]
async fn a_suspended_employer_keeps_nobody_from_being_mailed() {
    let office = Office::opens("mailsuspended", &[]).await;
    let away = office.world.tenant().await;
    away.is_suspended().await;
    // More of it than are looked at at once, and all of it older.
    let queue = "WITH head AS (
                     INSERT INTO feed_heads (tenant_id, user_id, epoch, seq, unread)
                     VALUES ($1, $2, 1, 1001, 1001)
                 )
                 INSERT INTO notifications
                     (tenant_id, user_id, seq, event_id, kind, created_at, mail_due_at)
                 SELECT $1, $2, n, gen_random_uuid(), 'export_ready', now() - interval '1 day',
                        now() - interval '1 hour'
                 FROM generate_series(1, 1001) AS n";
    let query = sqlx::query(queue).bind(away.id).bind(away.user(Role::Owner).await);
    query.execute(&mut office.superuser().await).await.unwrap();
    office.tells_the_owner().await;
    let mails = office.gets_mails(1).await;
    assert!(header(&mails[0], "Subject").contains("1 export is ready"), "{}", mails[0]);
    eventually("what waits for the suspended one is put off", SOON, async || {
        let count = "SELECT count(*) FROM notifications
                     WHERE tenant_id = $1 AND mail_due_at > now() + interval '5 hours'";
        let count: i64 = sqlx::query_scalar(count)
            .bind(away.id)
            .fetch_one(&mut office.superuser().await)
            .await
            .unwrap();
        (count == 1_001).then_some(())
    })
    .await;
    assert_eq!(office.mails().len(), 1);
}

fn body_of(mail: &str) -> &str {
    mail.split_once("\r\n\r\n").unwrap().1
}
