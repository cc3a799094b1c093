//! Invented people who apply for the jobs of the demo, and how far they came.
//!
//! About one in 180 is hired, as employers report of their own funnels; the ratios of the stages in
//! between are assumptions. Addresses are in domains that belong to nobody.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::people::{FAMILY_NAMES, GIVEN_NAMES};
use super::rows::{self, JobRow};
use crate::applications::{ApplicationStatus, MoveAction, StageKind};

/// Applications for a job on the average, and candidates for a hundred applications.
const A_JOB: u32 = 10;
const CANDIDATES_PER_HUNDRED: usize = 56;
/// Where people say that they came from, with how many of a hundred do.
const SOURCES: [(Option<&str>, u32); 6] = [
    (Some("job-board"), 36),
    (Some("search"), 22),
    (Some("referral"), 11),
    (Some("newsletter"), 8),
    (Some("careers-page"), 15),
    (None, 8),
];

/// Somebody who applies.
#[derive(Clone, Debug)]
pub(super) struct CandidateRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: String,
}

/// An application, and its way through the pipeline.
#[derive(Clone, Debug)]
pub(super) struct ApplicationRow {
    pub(super) id: Uuid,
    pub(super) job: Uuid,
    pub(super) candidate: Uuid,
    pub(super) source: Option<&'static str>,
    pub(super) moves: Vec<MoveRow>,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoveRow {
    pub(super) action: MoveAction,
    pub(super) from: Option<StageKind>,
    pub(super) to: Option<StageKind>,
    pub(super) at: OffsetDateTime,
    /// The member who took it; nobody for a submission.
    pub(super) by: Option<Uuid>,
}

/// All who apply to one employer.
#[derive(Clone, Debug, Default)]
pub(super) struct Applicants {
    pub(super) candidates: Vec<CandidateRow>,
    pub(super) applications: Vec<ApplicationRow>,
}

impl ApplicationRow {
    /// Where it stands: the last step that led somewhere.
    pub(super) fn stage(&self) -> StageKind {
        self.moves.iter().rev().find_map(|step| step.to).unwrap_or(StageKind::Applied)
    }

    pub(super) fn status(&self) -> ApplicationStatus {
        match self.moves.last().map(|step| step.action) {
            Some(MoveAction::Hire) => ApplicationStatus::Hired,
            Some(MoveAction::Reject) => ApplicationStatus::Rejected,
            Some(MoveAction::Withdraw) => ApplicationStatus::Withdrawn,
            _ => ApplicationStatus::Active,
        }
    }
}

/// Who applies for these jobs, the same for the same jobs and day.
pub(super) fn of(jobs: &[JobRow], now: OffsetDateTime) -> Applicants {
    let shown: Vec<&JobRow> =
        jobs.iter().filter(|job| job.published_at.is_some_and(|at| at < now)).collect();
    let Some(first) = shown.first() else { return Applicants::default() };
    let mut rng = StdRng::from_seed(seed_of(first.id));
    let counts: Vec<u32> = shown.iter().map(|_| rng.random_range(1..=2 * A_JOB)).collect();
    let total = counts.iter().sum::<u32>();
    let wanted = usize::try_from(total).unwrap_or_default() * CANDIDATES_PER_HUNDRED / 100;
    // No job has more applicants than there are people.
    let wanted = wanted.max(usize::try_from(2 * A_JOB).unwrap_or_default());
    let candidates: Vec<CandidateRow> =
        (0..wanted).map(|number| candidate(&mut rng, first.id, number)).collect();
    let mut next = candidates.iter().cycle();
    let mut applications = Vec::new();
    for (job, count) in shown.into_iter().zip(counts) {
        for _ in 0..count {
            let Some(candidate) = next.next() else { break };
            applications.push(application(&mut rng, job, candidate.id, now));
        }
    }
    Applicants { candidates, applications }
}

fn candidate(rng: &mut StdRng, of: Uuid, number: usize) -> CandidateRow {
    let given = GIVEN_NAMES.choose(rng).copied().unwrap_or_default();
    let family = FAMILY_NAMES.choose(rng).copied().unwrap_or_default();
    let domain = ["example.com", "example.net", "example.org"].choose(rng).copied();
    let domain = domain.unwrap_or("example.com");
    CandidateRow {
        id: rows::id_of(&format!("candidate/{of}/{number}")),
        name: format!("{given} {family}"),
        email: format!("{given}.{family}.{number}@{domain}").to_lowercase(),
        phone: format!("+1 555 01{:02}", rng.random_range(0..100)),
    }
}

fn application(
    rng: &mut StdRng,
    job: &JobRow,
    candidate: Uuid,
    now: OffsetDateTime,
) -> ApplicationRow {
    let published = job.published_at.unwrap_or(job.created_at);
    let end = match job.closed_reason {
        Some(_) => job.updated_at.min(now),
        None => now,
    };
    // Most apply in the first days.
    let open = (end - published).max(Duration::hours(1));
    let part: f64 = rng.random_range(0.0_f64..1.0).powi(2);
    let submitted = published + open * part;
    ApplicationRow {
        id: rows::id_of(&format!("application/{}/{candidate}", job.id)),
        job: job.id,
        candidate,
        source: source(rng),
        moves: moves(rng, job.created_by, submitted, now),
    }
}

fn source(rng: &mut StdRng) -> Option<&'static str> {
    let mut left = rng.random_range(0..100);
    for (source, weight) in SOURCES {
        if left < weight {
            return source;
        }
        left -= weight;
    }
    None
}

/// The steps up to now: some days lie between each two of them.
fn moves(
    rng: &mut StdRng,
    by: Uuid,
    submitted: OffsetDateTime,
    now: OffsetDateTime,
) -> Vec<MoveRow> {
    use StageKind::{Applied, Hired, Interview, Offer, Rejected, Screen};
    let first = MoveRow {
        action: MoveAction::Submit,
        from: None,
        to: Some(Applied),
        at: submitted,
        by: None,
    };
    let mut moves = vec![first];
    let (mut stage, mut at) = (Applied, submitted);
    loop {
        at += Duration::minutes(rng.random_range(8 * 60..6 * 24 * 60));
        if at > now {
            return moves;
        }
        // Of a thousand: to the next stage, turned down, withdrawn; the others stay.
        let (next, onward, down, back) = match stage {
            Applied => (Screen, 110, 700, 30),
            Screen => (Interview, 330, 480, 50),
            Interview => (Offer, 230, 560, 60),
            Offer => (Hired, 800, 60, 110),
            Hired | Rejected => return moves,
        };
        let drawn = rng.random_range(0..1_000);
        let (action, to) = if drawn < onward {
            (if next == Hired { MoveAction::Hire } else { MoveAction::Move }, Some(next))
        } else if drawn < onward + down {
            (MoveAction::Reject, Some(Rejected))
        } else if drawn < onward + down + back {
            (MoveAction::Withdraw, None)
        } else {
            return moves;
        };
        moves.push(MoveRow { action, from: Some(stage), to, at, by: Some(by) });
        match to {
            Some(to) if action == MoveAction::Move => stage = to,
            _ => return moves,
        }
    }
}

fn seed_of(id: Uuid) -> [u8; 32] {
    let mut seed = [0; 32];
    let (low, high) = seed.split_at_mut(16);
    low.copy_from_slice(id.as_bytes());
    high.copy_from_slice(id.as_bytes());
    seed
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use time::macros::datetime;

    use super::*;
    use crate::seed::demo;

    const NOW: OffsetDateTime = datetime!(2026-11-21 15:30 UTC);

    fn everybody() -> Vec<(Vec<JobRow>, Applicants)> {
        let employers = demo::employers(NOW).unwrap();
        employers
            .into_iter()
            .map(|one| (of(&one.jobs, NOW), one.jobs))
            .map(|(a, j)| (j, a))
            .collect()
    }

    #[test]
    fn a_funnel_like_those_that_employers_have() {
        let all: Vec<ApplicationRow> =
            everybody().into_iter().flat_map(|(_, one)| one.applications).collect();
        let candidates: usize = everybody().iter().map(|(_, one)| one.candidates.len()).sum();
        assert!((1_300..1_900).contains(&all.len()), "{}", all.len());
        assert!((750..1_100).contains(&candidates), "{candidates}");
        let hired = all.iter().filter(|one| one.status() == ApplicationStatus::Hired).count();
        assert!((4..20).contains(&hired), "{hired}");
        for status in ApplicationStatus::ALL {
            assert!(all.iter().any(|one| one.status() == *status), "{status}");
        }
        for stage in StageKind::ALL {
            assert!(all.iter().any(|one| one.stage() == *stage), "{stage}");
        }
    }

    #[test]
    fn nobody_applies_twice_early_or_tomorrow_and_a_second_run_finds_the_same() {
        for ((jobs, one), (_, again)) in everybody().into_iter().zip(everybody()) {
            let ids: HashSet<Uuid> = one.applications.iter().map(|one| one.id).collect();
            assert_eq!(ids.len(), one.applications.len());
            let emails: HashSet<&String> = one.candidates.iter().map(|one| &one.email).collect();
            assert_eq!(emails.len(), one.candidates.len());
            for application in &one.applications {
                let job = jobs.iter().find(|job| job.id == application.job).unwrap();
                let times: Vec<OffsetDateTime> =
                    application.moves.iter().map(|step| step.at).collect();
                assert!(times.is_sorted() && times[0] >= job.published_at.unwrap());
                assert!(*times.last().unwrap() <= NOW);
            }
            let names = |of: &Applicants| format!("{of:?}");
            assert_eq!(names(&one), names(&again));
        }
    }
}
