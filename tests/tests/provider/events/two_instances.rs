//! Streams at one instance of what happens at another.

use portal_tests::events::{Event, EventStream};
use tenancy::Role;
use uuid::Uuid;

use super::SOON;
use super::access::{Pair, opened};

#[tokio::test]
async fn both_tell_the_same_and_a_client_goes_on_at_the_other() {
    let pair = Pair::new("pairsame").await;
    let [at_one, at_two] = pair.signs_in(Role::Recruiter).await;
    let (mut one, mut two) = (opened(&at_one).await, opened(&at_two).await);
    for round in 0..4 {
        pair.tenant.hears_of_applications(Uuid::now_v7(), 5).await;
        for stream in [&mut one, &mut two] {
            let told = stream.notifications(5, SOON).await;
            let numbers: Vec<i64> = told.iter().map(Event::seq).collect();
            let first = round * 5;
            assert_eq!(numbers, (first + 1..=first + 5).collect::<Vec<i64>>());
        }
    }
    let place = one.last_id();
    drop(one);
    pair.tenant.hears_of_applications(Uuid::now_v7(), 3).await;
    let mut next = EventStream::open(&at_two, "", Some(&place)).await;
    let numbers: Vec<i64> = next.notifications(3, SOON).await.iter().map(Event::seq).collect();
    assert_eq!(numbers, [21, 22, 23]);
}
