//! The transaction that takes an application in, beside the same one without its outbox row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use employer_store::public_board::{NewSubmission, PublicDb, SubmitOutcome};
use employer_store::testing::{NewTenant, TestDatabase, create_tenant, provision_database_for};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::statistics::Middle;

/// Employers that applications come in for, by turns.
const EMPLOYERS: usize = 50;

/// Those who apply at a time.
const AT_ONCE: u32 = 8;

const ROUNDS: usize = 24;

/// How long somebody has a turn: short, so that whatever else happens meets both.
const TURN: Duration = Duration::from_millis(500);

/// The job of every employer.
const JOB: &str = "registered-nurse";

/// The statement that writes the outbox row, and what takes its place.
const BEGINS: &str = "INSERT INTO outbox AS o";
const INSTEAD: &str =
    "SELECT 0, new_submission, clock_timestamp() INTO outbox_id, event_id, written_at";

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submits {
    /// Transactions a second, with the row and without.
    pub(super) with: Middle,
    pub(super) without: Middle,
    /// Of each round.
    pub(super) ratio: Middle,
}

/// Two databases of their own, one of which writes no outbox row.
#[derive(Debug)]
pub(super) struct Sides {
    with: Side,
    without: Side,
}

#[derive(Debug)]
struct Side {
    database: TestDatabase,
    boards: Arc<Vec<String>>,
}

impl Sides {
    pub(super) async fn prepare(superuser_url: &str) -> Self {
        let with = Side::prepare(superuser_url, "withrow").await;
        let without = Side::prepare(superuser_url, "withoutrow").await;
        without.writes_no_row().await;
        Self { with, without }
    }

    /// Both by turns, each first in every other round. `is_durable` says whether a commit waits for
    /// the disk.
    pub(super) async fn measure(&self, is_durable: bool) -> Submits {
        let (here, there) = (&self.with, &self.without);
        let (writing, leaving) =
            (here.connects(is_durable).await, there.connects(is_durable).await);
        here.takes_turn(&writing).await;
        there.takes_turn(&leaving).await;
        let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (one, other) = if round % 2 == 0 {
                let one = here.takes_turn(&writing).await;
                (one, there.takes_turn(&leaving).await)
            } else {
                let other = there.takes_turn(&leaving).await;
                (here.takes_turn(&writing).await, other)
            };
            with.push(one);
            without.push(other);
            ratios.push(one / other);
        }
        assert_eq!(self.without.rows_in_outbox().await, 0);
        assert!(self.with.rows_in_outbox().await > 0);
        Submits {
            with: Middle::of(&with),
            without: Middle::of(&without),
            ratio: Middle::of(&ratios),
        }
    }
}

impl Side {
    async fn prepare(superuser_url: &str, purpose: &str) -> Self {
        let database = provision_database_for(superuser_url, purpose).await.unwrap();
        let mut boards = Vec::new();
        let mut connection = PgConnection::connect(&database.superuser_url).await.unwrap();
        for _ in 0..EMPLOYERS {
            let wanted = NewTenant { roles: Vec::new(), ..NewTenant::default() };
            let tenant = create_tenant(&database, &wanted).await.unwrap();
            let insert = sqlx::query(
                "INSERT INTO jobs (tenant_id, id, slug, requisition, title, employment_type,
                                   workplace, status, published_at)
                 VALUES ($1, $2, $3, 'REQ-1', 'Registered Nurse', 'full_time', 'onsite',
                         'published', now())",
            );
            let insert = insert.bind(tenant.scope.tenant().as_uuid()).bind(Uuid::now_v7());
            connection.execute(insert.bind(JOB)).await.unwrap();
            boards.push(tenant.slug);
        }
        Self { database, boards: Arc::new(boards) }
    }

    async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.database.superuser_url).await.unwrap()
    }

    /// The same function but for one statement.
    async fn writes_no_row(&self) {
        let mut connection = self.superuser().await;
        let text: String = sqlx::query_scalar(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'submit_application'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let text = without_row(&text).expect("one statement writes the row");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }

    /// Connections whose commits wait for the disk, or do not.
    async fn connects(&self, is_durable: bool) -> PublicDb {
        let value = if is_durable { "on" } else { "off" };
        let text = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = {value}',
                                        current_database()); END $$"
        );
        self.superuser().await.execute(AssertSqlSafe(text)).await.unwrap();
        let mut settings = TestDatabase::settings(&self.database.public_url);
        settings.max_connections = AT_ONCE;
        PublicDb::connect_lazily(&settings).unwrap()
    }

    async fn rows_in_outbox(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM outbox");
        count.fetch_one(&mut self.superuser().await).await.unwrap()
    }

    /// Transactions a second. The outbox begins empty, as it is while somebody tells of its rows.
    async fn takes_turn(&self, store: &PublicDb) -> f64 {
        self.superuser().await.execute("TRUNCATE outbox").await.unwrap();
        let (done, mut people) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        let begun = Instant::now();
        for first in 0..usize::try_from(AT_ONCE).unwrap() {
            let (store, boards, done) =
                (store.clone(), Arc::clone(&self.boards), Arc::clone(&done));
            people.spawn(async move {
                let mut at = first;
                while begun.elapsed() < TURN {
                    submit(&store, &boards[at % boards.len()]).await;
                    done.fetch_add(1, Ordering::Relaxed);
                    at += usize::try_from(AT_ONCE).unwrap();
                }
            });
        }
        people.join_all().await;
        let done = u32::try_from(done.load(Ordering::Relaxed)).unwrap();
        f64::from(done) / begun.elapsed().as_secs_f64()
    }
}

async fn submit(store: &PublicDb, board: &str) {
    let person = Uuid::new_v4().simple();
    let given = NewSubmission {
        email: format!("{person}@example.com"),
        name: "Ada Example".to_owned(),
        phone: None,
        message: None,
        source: None,
        utm: json!({}),
        consent: json!({}),
        locale: None,
    };
    let outcome = store.submit(board, JOB, &given, None, None).await.unwrap();
    assert!(matches!(outcome, SubmitOutcome::Submitted(_)), "{outcome:?}");
}

/// The function's text with the statement replaced, if there is exactly one.
fn without_row(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGINS)?;
    let (_statement, after) = rest.split_once(';')?;
    (!after.contains(BEGINS)).then(|| format!("{before}{INSTEAD};{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_is_replaced_and_nothing_else() {
        let text = "a;\n INSERT INTO outbox AS o (x)\n VALUES (1) RETURNING o.id INTO i;\n b;";
        assert_eq!(without_row(text).unwrap(), format!("a;\n {INSTEAD};\n b;"));
        assert_eq!(without_row("a; b;"), None);
        assert_eq!(without_row(&format!("{text}{text}")), None);
    }
}
