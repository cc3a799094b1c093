//! Turns of tasks that call over a network, and the table they end in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::threads::median;

/// Tasks that call at once: one that waits for each answer, and many.
pub(crate) const TASKS: [usize; 2] = [1, 64];
const ROUNDS: usize = 40;
const TURN: Duration = Duration::from_millis(100);

type Call = Arc<dyn Fn(usize) -> BoxFuture<'static, Outcome<()>> + Send + Sync>;

/// One of those that are compared.
pub(crate) struct Contender {
    name: String,
    call: Call,
}

impl Contender {
    /// One that calls for the value of a task and checks that it got it: an error may be faster than
    /// an answer.
    pub(crate) fn new<C, F>(name: impl Into<String>, call: C) -> Self
    where
        C: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome<()>> + Send + 'static,
    {
        Self { name: name.into(), call: Arc::new(move |number| Box::pin(call(number))) }
    }
}

/// Lets everyone have a turn in each round, prints a table, and answers each one's ratios to the
/// first one, with one task and with many.
pub(crate) async fn compare(
    title: &str,
    contenders: &[Contender],
) -> Outcome<Vec<[f64; TASKS.len()]>> {
    println!("\n{title}; median of {ROUNDS} turns of {} ms\n", TURN.as_millis());
    println!("| | us a call, 1 task | ratio | us a call, {} tasks | ratio |", TASKS[1]);
    println!("|---|--:|--:|--:|--:|");
    let mut micros: Vec<[Vec<f64>; TASKS.len()]> =
        contenders.iter().map(|_| Default::default()).collect();
    for round in 0..=ROUNDS {
        for offset in 0..contenders.len() {
            let turn = (round + offset) % contenders.len();
            let (Some(contender), Some(micros)) = (contenders.get(turn), micros.get_mut(turn))
            else {
                continue;
            };
            for (tasks, micros) in TASKS.iter().zip(micros) {
                let taken = micros_a_call(contender, *tasks).await?;
                // The first round is for connections and caches to warm up.
                if round > 0 {
                    micros.push(taken);
                }
            }
        }
    }
    let Some([alone, together]) = micros.first() else { return Ok(Vec::new()) };
    let ratio = |these: &[f64], those: &[f64]| {
        median(these.iter().zip(those).map(|(this, that)| this / that))
    };
    let mut ratios = Vec::new();
    for (contender, [one, many]) in contenders.iter().zip(&micros) {
        let both = [ratio(one, alone), ratio(many, together)];
        println!(
            "| {} | {:.1} | {:.2} | {:.2} | {:.2} |",
            contender.name,
            median(one.iter().copied()),
            both[0],
            median(many.iter().copied()),
            both[1],
        );
        ratios.push(both);
    }
    Ok(ratios)
}

/// Wall time of a turn by its calls.
async fn micros_a_call(contender: &Contender, tasks: usize) -> Outcome<f64> {
    let (is_over, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let mut running = JoinSet::new();
    for number in 0..tasks {
        let (call, is_over) = (Arc::clone(&contender.call), Arc::clone(&is_over));
        running.spawn(async move {
            let mut calls = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                call(number).await?;
                calls += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(calls)
        });
    }
    tokio::time::sleep(TURN).await;
    is_over.store(true, Ordering::Relaxed);
    let mut calls = 0;
    while let Some(ended) = running.join_next().await {
        calls += ended??;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(calls.max(1)))
}
