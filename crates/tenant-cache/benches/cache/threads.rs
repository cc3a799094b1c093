//! Turns of threads that call as fast as they can, and the table they end in.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Threads at once.
const THREADS: [usize; 3] = [1, 2, 16];
/// Turns of each contender with each number of threads; one more to warm up.
const ROUNDS: usize = 100;
/// Keys in the order in which they are asked for, drawn at random; it is gone through several times.
const ORDER: usize = 16_384;
/// What a turn of one thread takes: long beside the start of threads, and short enough for many not
/// to be interrupted by whatever else the machine has to do. A contender has a second and more.
const TURN: Duration = Duration::from_millis(12);
/// Cores' worth of time that a turn must have had for its figures to count, as a part of what its
/// threads could have used: those that took turns on one core did not get in each other's way.
const LEAST_SHARE: f64 = 0.85;

type Calls = Box<dyn Fn(&[usize]) -> usize + Send + Sync>;

/// One of those that are compared: calls for the keys of these numbers, and counts the hits.
pub(crate) struct Contender {
    name: String,
    calls: Calls,
}

impl Contender {
    pub(crate) fn new(
        name: impl Into<String>,
        calls: impl Fn(&[usize]) -> usize + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), calls: Box::new(calls) }
    }
}

/// What came of one turn.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Time of a processor for a call, ns.
    processor: f64,
    /// Calls of all threads, millions a second.
    rate: f64,
    /// Cores that its threads had, of those that they could have used.
    share: f64,
}

impl Sample {
    fn counts(&self) -> bool {
        self.share >= LEAST_SHARE
    }
}

/// Medians of a contender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Time of a processor for a call of one thread.
    pub(crate) nanos: f64,
    /// The same of two threads by that of one.
    pub(crate) two_by_one: f64,
    /// Calls of sixteen threads in a time by those of two.
    pub(crate) many_by_two: f64,
    /// Allocations by a call.
    pub(crate) allocations: f64,
}

/// Lets everyone have a turn in each round with each number of threads, and prints a table.
pub(crate) fn compare(title: &str, contenders: &[Contender], keys: usize) -> Vec<Figures> {
    let order: Vec<usize> = (0..ORDER).map(|_| rand::random_range(0..keys)).collect();
    let times: Vec<usize> = contenders.iter().map(|one| times_in_a_turn(one, &order)).collect();
    let mut samples: Vec<[Vec<Sample>; THREADS.len()]> =
        contenders.iter().map(|_| Default::default()).collect();
    for round in 0..=ROUNDS {
        for offset in 0..contenders.len() {
            let turn = (round + offset) % contenders.len();
            let (Some(contender), Some(samples), Some(times)) =
                (contenders.get(turn), samples.get_mut(turn), times.get(turn))
            else {
                continue;
            };
            for (threads, samples) in THREADS.iter().zip(samples) {
                let sample = take_turn(contender, *threads, &order, *times);
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
    }
    println!("\n{title}; {ROUNDS} turns of {} ms a thread\n", TURN.as_millis());
    println!(
        "| | ns, 1 thread | 2 threads | ratio | M/s, 1 thread | 2 threads | 16 threads | 16 to 2 | turns that count | allocations a call |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let rows = contenders.iter().zip(&samples);
    rows.map(|(contender, samples)| print_row(contender, samples, &order)).collect()
}

/// How often one thread goes through the order in a turn.
fn times_in_a_turn(contender: &Contender, order: &[usize]) -> usize {
    let once = || {
        let began = Instant::now();
        (contender.calls)(order);
        began.elapsed().as_nanos().max(1)
    };
    // The first time, the caches of the processor are cold.
    let nanos = (0..5).map(|_| once()).min().unwrap_or(1);
    usize::try_from(TURN.as_nanos() / nanos).unwrap_or(usize::MAX).max(1)
}

/// All threads make the same calls, each beginning elsewhere.
fn take_turn(contender: &Contender, threads: usize, order: &[usize], times: usize) -> Sample {
    let start = Barrier::new(threads);
    let run = |number: usize| {
        let (before, after) = order.split_at(number * order.len() / threads);
        // Brings what is read into the caches of this thread's core.
        let (warm, _) = order.split_at(order.len() / 4);
        let mut hits = (contender.calls)(warm);
        start.wait();
        let (began, used) = (Instant::now(), processor_time());
        for _ in 0..times {
            hits += (contender.calls)(after) + (contender.calls)(before);
        }
        let (used, ended) = (processor_time().saturating_sub(used), Instant::now());
        assert_eq!(hits, warm.len() + order.len() * times, "every call is a hit");
        (began, ended, used)
    };
    let spans: Vec<(Instant, Instant, Duration)> = std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..threads).map(|number| scope.spawn(move || run(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    assert_eq!(spans.len(), threads, "a thread failed");
    let began = spans.iter().map(|(began, ..)| *began).min();
    let ended = spans.iter().map(|(_, ended, _)| *ended).max();
    let elapsed = began.zip(ended).map(|(began, ended)| ended - began).unwrap_or_default();
    let used: Duration = spans.iter().map(|(.., used)| *used).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let calls = count(order.len() * times * threads);
    Sample {
        processor: used.as_secs_f64() * 1e9 / calls,
        rate: calls / elapsed.as_secs_f64() / 1e6,
        share: used.as_secs_f64() / elapsed.as_secs_f64() / count(cores.min(threads)),
    }
}

/// What this thread has used so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn print_row(
    contender: &Contender,
    samples: &[Vec<Sample>; THREADS.len()],
    order: &[usize],
) -> Figures {
    let [one, two, many] = samples;
    let of = |samples: &[Sample], pick: fn(&Sample) -> f64| {
        median(samples.iter().filter(|sample| sample.counts()).map(pick))
    };
    let ratio = |these: &[Sample], those: &[Sample], pick: fn(&Sample) -> f64| {
        let both = these.iter().zip(those).filter(|(this, that)| this.counts() && that.counts());
        median(both.map(|(this, that)| pick(this) / pick(that)))
    };
    let (time, rate) = (|sample: &Sample| sample.processor, |sample: &Sample| sample.rate);
    let counting = samples
        .each_ref()
        .map(|samples| samples.iter().filter(|sample| sample.counts()).count().to_string());
    let allocations = allocation_counter::measure(|| {
        (contender.calls)(order);
    });
    let allocations =
        count(usize::try_from(allocations.count_total).unwrap_or(usize::MAX)) / count(order.len());
    let figures = Figures {
        nanos: of(one, time),
        two_by_one: ratio(two, one, time),
        many_by_two: ratio(many, two, rate),
        allocations,
    };
    println!(
        "| {} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} | {:.1} | {:.2} | {} | {:.2} |",
        contender.name,
        figures.nanos,
        of(two, time),
        figures.two_by_one,
        of(one, rate),
        of(two, rate),
        of(many, rate),
        figures.many_by_two,
        counting.join(", "),
        figures.allocations,
    );
    figures
}

#[expect(clippy::cast_precision_loss, reason = "numbers of calls are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
