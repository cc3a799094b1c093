//! An event that cannot be told does not keep others from being told.

use employer_store::feed;
use employer_store::outbox;
use serde_json::json;
use tenancy::Role;

use super::{Event, SETTINGS, kinds, tell};
use crate::support::{Store, a_job};

#[tokio::test]
async fn it_is_tried_again_with_pauses_and_then_parked() {
    let store = Store::open_for("poison").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let _ = tell(&store).await;
    let poison = Event { payload: json!({ "job": "no uuid" }), ..Event::applied(job) };
    poison.written(&store, &tenant).await;
    Event::applied(job).written(&store, &tenant).await;

    assert!(feed::fan_out(&store.worker, &SETTINGS, None).await.is_err(), "all or nothing");
    let waiting = feed::next_waiting(&store.worker, 10).await.unwrap();
    let [bad, good] = waiting[..] else { panic!("two wait: {waiting:?}") };
    let error = feed::fan_out(&store.worker, &SETTINGS, Some(bad)).await.unwrap_err();
    assert_eq!(error.class(), "sql 22P02");
    assert!(!feed::note_failure(&store.worker, &SETTINGS, bad, &error).await.unwrap());
    assert_eq!(feed::fan_out(&store.worker, &SETTINGS, Some(good)).await.unwrap().taken, 1);
    assert_eq!(kinds(&store, &tenant, Role::Owner).await, ["application_submitted"]);

    // However long the rest took.
    let mut superuser = store.superuser().await;
    let later = "UPDATE outbox SET retry_at = retry_at + interval '1 hour' WHERE id = $1";
    let moved = sqlx::query(later).bind(bad).execute(&mut superuser).await.unwrap();
    assert_eq!(moved.rows_affected(), 1);
    assert_eq!(tell(&store).await.taken, 0, "it waits for its next attempt");
    assert!(!feed::note_failure(&store.worker, &SETTINGS, bad, &error).await.unwrap());
    assert!(feed::note_failure(&store.worker, &SETTINGS, bad, &error).await.unwrap());
    assert_eq!(outbox::waiting(&store.worker).await.unwrap().parked, 1);
    let row: (i16, String) =
        sqlx::query_as("SELECT attempts, last_error FROM outbox WHERE id = $1")
            .bind(bad)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
    assert_eq!(row, (3, "sql 22P02".to_owned()), "a class, not what the row holds");
}
