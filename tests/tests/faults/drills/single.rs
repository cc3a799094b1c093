//! A single server behind a way that is cut.

use std::time::Duration;

use portal_tests::drill::{Bounds, Drill, Report, in_time};
use portal_tests::portal::Redis;
use portal_tests::servers::{CuttingProxy, OwnRedis};
use tokio::time::Instant;

use super::{BEYOND, CALM};

#[tokio::test]
async fn connections_cut_in_the_middle_of_an_answer() {
    in_time(async || {
        let redis = OwnRedis::start_new().await;
        let proxy = CuttingProxy::start_to(redis.port()).await;
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let drill = Drill::set_up(Redis::At(url), &[]).await;
        let load = drill.begins();
        load.runs_for(CALM).await;

        let fault = Instant::now();
        proxy.cuts_after(50_000);
        let over = load.runs_for(Duration::from_secs(4)).await;
        proxy.cuts_nothing();
        load.is_well_again().await;

        let openings = load.openings();
        let report =
            Report::of("connections cut mid-reply", &load.stops().await, &openings, fault, over);
        let verdict = report.judge(Bounds { opens_within: None, recovers_within: BEYOND });
        drill.nothing_is_stale().await;
        drill.everybody_is_signed_in().await;
        verdict
    })
    .await;
}
