//! What was measured, beside what was aimed at.

use std::fmt;

use super::broadcast::Turn;
use super::delay::Delay;
use super::statistics::Middle;
use super::submits::Submits;

/// All parts of one run.
#[derive(Debug)]
pub struct Report {
    pub(super) ours: Vec<Turn>,
    pub(super) theirs: Vec<Turn>,
    pub(super) delays: Vec<Delay>,
    /// Without waiting for the disk, and with.
    pub(super) submits: [Submits; 2],
}

/// Something aimed at.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// What.
    pub what: String,
    /// At most or at least so much.
    pub aim: String,
    /// The median of the rounds, and how far they lie apart.
    pub measured: String,
    /// Whether it was reached.
    pub is_met: bool,
}

impl Report {
    /// What was aimed at, and what came of it.
    pub fn aims(&self) -> Vec<Aim> {
        let (cpu, their_cpu) = (
            self.middle(true, |turn| turn.delivery_us),
            self.middle(false, |turn| turn.delivery_us),
        );
        let (memory, their_memory) =
            (self.middle(true, |turn| turn.idle_kib), self.middle(false, |turn| turn.idle_kib));
        let at_most = |what: &str, unit: &str, measured: Middle, most: f64| Aim {
            what: what.to_owned(),
            aim: format!("<= {most:.1} {unit}"),
            measured: format!("{measured} {unit}"),
            is_met: measured.median <= most,
        };
        let mut aims = vec![
            at_most("processor time of a delivery, beside Nchan's", "us", cpu, their_cpu.median),
            at_most("processor time of a delivery", "us", cpu, 15.0),
            at_most("memory of an idle stream, beside Nchan's", "KiB", memory, their_memory.median),
            at_most("memory of an idle stream", "KiB", memory, 20.0),
        ];
        for delay in &self.delays {
            aims.push(Aim {
                what: format!("commit to client, {} a second", delay.asked),
                aim: "p50 <= 15 ms, p99 <= 100 ms".to_owned(),
                measured: format!("p50 {:.1} ms, p99 {:.1} ms", delay.p50_ms, delay.p99_ms),
                is_met: delay.p50_ms <= 15.0 && delay.p99_ms <= 100.0,
            });
        }
        let names = ["processor alone", "with the disk"];
        for (submits, name) in self.submits.iter().zip(names) {
            aims.push(Aim {
                what: format!("submit transaction by one without its outbox row, {name}"),
                aim: ">= 0.88".to_owned(),
                measured: format!("{:.3}", submits.ratio),
                is_met: submits.ratio.median >= 0.88,
            });
        }
        aims
    }

    /// Whether somebody was not told, or told twice.
    pub fn contradictions(&self) -> Vec<String> {
        let turns = self.ours.iter().chain(&self.theirs).map(|turn| (turn.lost, turn.doubled));
        let delays = self.delays.iter().map(|delay| (delay.lost, delay.doubled));
        let wrong = turns.chain(delays).filter(|wrong| *wrong != (0, 0));
        wrong.map(|(lost, doubled)| format!("{lost} lost, {doubled} told twice")).collect()
    }

    fn middle(&self, is_ours: bool, figure: impl Fn(&Turn) -> f64) -> Middle {
        let turns = if is_ours { &self.ours } else { &self.theirs };
        Middle::of(&turns.iter().map(figure).collect::<Vec<_>>())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| | aim | measured | |\n|---|---|---|---|")?;
        for Aim { what, aim, measured, is_met } in self.aims() {
            let verdict = if is_met { "met" } else { "**missed**" };
            writeln!(formatter, "| {what} | {aim} | {measured} | {verdict} |")?;
        }
        self.writes_broadcast(formatter)?;
        self.writes_delays(formatter)?;
        writeln!(
            formatter,
            "\n| submits a second | with its outbox row | without | ratio |\n|---|--:|--:|--:|"
        )?;
        for (submits, name) in
            self.submits.iter().zip(["not waiting for the disk", "waiting for it"])
        {
            let Submits { with, without, ratio } = submits;
            writeln!(formatter, "| {name} | {with:.0} | {without:.0} | {ratio:.3} |")?;
        }
        Ok(())
    }
}

/// A row: its name, and what of a turn it shows.
type Figure = (&'static str, fn(&Turn) -> f64);

impl Report {
    fn writes_broadcast(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n| broadcast | ours | Nchan |\n|---|--:|--:|")?;
        let figures: [Figure; 8] = [
            ("us a delivery", |turn| turn.delivery_us),
            ("us of publishing, nobody listening", |turn| turn.publish_us),
            ("us of Redis a delivery", |turn| turn.redis_us),
            ("us of Postgres a delivery", |turn| turn.postgres_us),
            ("KiB an idle stream", |turn| turn.idle_kib),
            ("bytes a delivery", |turn| turn.bytes),
            ("p50, ms from publishing", |turn| turn.p50_ms),
            ("p99, ms from publishing", |turn| turn.p99_ms),
        ];
        for (name, figure) in figures {
            let (ours, theirs) = (self.middle(true, figure), self.middle(false, figure));
            writeln!(formatter, "| {name} | {ours:.1} | {theirs:.1} |")?;
        }
        let deliveries = |turns: &[Turn]| turns.iter().map(|turn| turn.deliveries).sum::<usize>();
        let (ours, theirs) = (deliveries(&self.ours), deliveries(&self.theirs));
        writeln!(formatter, "| deliveries | {ours} | {theirs} |")
    }

    fn writes_delays(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "\n| applications a second | reached | streams | deliveries | commit to client at the \
             other instance: p50 ms | p99 | most | from sending: p50 | p99 | answer: p50 | p99 |\n\
             |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for delay in &self.delays {
            let Delay { asked, reached, streams, deliveries, .. } = delay;
            let times = [
                delay.p50_ms,
                delay.p99_ms,
                delay.most_ms,
                delay.whole_p50_ms,
                delay.whole_p99_ms,
                delay.answer_p50_ms,
                delay.answer_p99_ms,
            ];
            write!(formatter, "| {asked} | {reached:.0} | {streams} | {deliveries} |")?;
            times.iter().try_for_each(|time| write!(formatter, " {time:.1} |"))?;
            writeln!(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let turn = Turn {
            idle_kib: 19.0,
            delivery_us: 12.0,
            publish_us: 900.0,
            redis_us: 0.1,
            postgres_us: 2.0,
            bytes: 300.0,
            p50_ms: 10.0,
            p99_ms: 30.0,
            deliveries: 120_000,
            lost: 0,
            doubled: 0,
        };
        let theirs = Turn { delivery_us: 11.0, idle_kib: 19.5, ..turn };
        let delay = Delay {
            asked: 200,
            reached: 199.0,
            streams: 1_000,
            deliveries: 16_000,
            p50_ms: 9.0,
            p99_ms: 101.0,
            most_ms: 150.0,
            whole_p50_ms: 12.0,
            whole_p99_ms: 120.0,
            answer_p50_ms: 4.0,
            answer_p99_ms: 20.0,
            lost: 0,
            doubled: 0,
        };
        let middle = Middle { median: 0.9, least: 0.85, most: 0.95 };
        let submits = Submits { with: middle, without: middle, ratio: middle };
        Report {
            ours: vec![turn],
            theirs: vec![theirs],
            delays: vec![delay],
            submits: [submits, submits],
        }
    }

    #[test]
    fn an_aim_is_met_by_its_median() {
        let met: Vec<bool> = report().aims().iter().map(|aim| aim.is_met).collect();
        assert_eq!(met, [false, true, true, true, false, true, true]);
    }

    #[test]
    fn what_is_lost_or_doubled_is_no_result() {
        let mut report = report();
        assert!(report.contradictions().is_empty());
        report.ours[0].doubled = 1;
        report.delays[0].lost = 2;
        assert_eq!(report.contradictions(), ["0 lost, 1 told twice", "2 lost, 0 told twice"]);
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_head() {
        let text = report().to_string();
        for table in text.split("\n\n") {
            let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(cells.iter().all(|count| *count == cells[0]), "{table}");
        }
    }
}
