//! Jobs of a generated tenant.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use time::{Duration, OffsetDateTime};
use uuid::{Builder, Uuid};

use super::data::{PoolCity, PoolRole};
use super::generator::weighted;
use super::rows::{JobRow, MemberRow};
use crate::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, JobLocation, JobStatus, Salary, SalaryPeriod,
    TeamAccess,
};

/// Ids of generated jobs look as if the jobs had been made one a millisecond from here on, so that
/// they enter the primary key in order, whatever day it is.
const FIRST_MILLISECOND: u64 = 1_735_689_600_000;
/// Of a hundred jobs.
const STATUSES: [(JobStatus, u32); 5] = [
    (JobStatus::Published, 55),
    (JobStatus::Draft, 12),
    (JobStatus::Paused, 8),
    (JobStatus::Closed, 17),
    (JobStatus::Archived, 8),
];

/// The jobs of one tenant, one after the other.
#[derive(Debug)]
pub(super) struct JobStream<'a> {
    /// Those still to be drawn.
    pub numbers: std::ops::RangeInclusive<u32>,
    pub day: OffsetDateTime,
    pub pay_range_required: bool,
    pub roles: Vec<&'a PoolRole>,
    /// Where the tenant has work; some twice, which makes them likelier.
    pub sites: Vec<&'a PoolCity>,
    pub members: Vec<MemberRow>,
    pub rng: StdRng,
}

impl Iterator for JobStream<'_> {
    type Item = JobRow;

    fn next(&mut self) -> Option<JobRow> {
        let number = self.numbers.next()?;
        self.job(number)
    }
}

impl<'a> JobStream<'a> {
    fn job(&mut self, number: u32) -> Option<JobRow> {
        let role = *self.roles.choose(&mut self.rng)?;
        let (status, _) = weighted(&mut self.rng, &STATUSES, |(_, share)| *share)?;
        let experience_level = *role.levels.choose(&mut self.rng)?;
        let employment_type = *role.employment.choose(&mut self.rng)?;
        let cities = self.cities()?;
        let dates = self.dates(*status);
        let salary = self.salary(role, experience_level, employment_type, cities.first()?, *status);
        Some(JobRow {
            id: self.id(number),
            number,
            title: self.title(role, experience_level)?,
            department: role.department.clone(),
            employment_type,
            experience_level,
            workplace: *role.workplaces.choose(&mut self.rng)?,
            description: self.description(role),
            locations: cities.iter().map(|city| location(city)).collect(),
            skills: self.skills(role),
            salary,
            pay_blurb: None,
            openings: if self.rng.random_ratio(1, 4) { self.rng.random_range(2..=6) } else { 1 },
            status: *status,
            closed_reason: self.closed_reason(*status),
            published_at: dates.published,
            valid_through: dates.valid_through,
            created_by: self.members.choose(&mut self.rng)?.user,
            created_at: dates.created,
            updated_at: dates.updated,
            team: self.team(),
        })
    }

    fn id(&mut self, number: u32) -> Uuid {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        Builder::from_unix_timestamp_millis(FIRST_MILLISECOND + u64::from(number), &random)
            .into_uuid()
    }

    fn cities(&mut self) -> Option<Vec<&'a PoolCity>> {
        let count = if self.rng.random_ratio(1, 8) { 2 } else { 1 };
        let first = *self.sites.choose(&mut self.rng)?;
        let mut cities = vec![first];
        if let Some(second) = self.sites.choose(&mut self.rng)
            && count == 2
            && second.city != first.city
        {
            cities.push(*second);
        }
        Some(cities)
    }

    fn title(&mut self, role: &PoolRole, level: ExperienceLevel) -> Option<String> {
        let title = role.titles.choose(&mut self.rng)?;
        let prefix = match level {
            ExperienceLevel::Entry if self.rng.random_ratio(1, 4) => "Junior ",
            ExperienceLevel::Senior if self.rng.random_ratio(4, 5) => "Senior ",
            ExperienceLevel::Lead if self.rng.random_ratio(1, 2) => "Lead ",
            _ => "",
        };
        Some(format!("{prefix}{title}"))
    }

    fn description(&mut self, role: &PoolRole) -> String {
        let mut text = format!("{}\n\nWhat you will do\n", role.about);
        for duty in role.duties.sample(&mut self.rng, 2) {
            text.push_str("\n- ");
            text.push_str(duty);
        }
        text
    }

    fn skills(&mut self, role: &PoolRole) -> Vec<String> {
        let count = self.rng.random_range(3..=6);
        role.skills.sample(&mut self.rng, count).cloned().collect()
    }

    fn closed_reason(&mut self, status: JobStatus) -> Option<CloseReason> {
        matches!(status, JobStatus::Closed | JobStatus::Archived)
            .then(|| CloseReason::ALL.choose(&mut self.rng).copied())
            .flatten()
    }

    /// A few jobs have a hiring manager, most have none.
    fn team(&mut self) -> Vec<(Uuid, TeamAccess)> {
        if !self.rng.random_ratio(1, 5) {
            return Vec::new();
        }
        let managers: Vec<Uuid> = self
            .members
            .iter()
            .filter(|member| member.role == tenancy::Role::HiringManager)
            .map(|member| member.user)
            .collect();
        let access = if self.rng.random_bool(0.6) { TeamAccess::Edit } else { TeamAccess::View };
        managers.choose(&mut self.rng).map(|user| (*user, access)).into_iter().collect()
    }

    fn salary(
        &mut self,
        role: &PoolRole,
        level: ExperienceLevel,
        employment: EmploymentType,
        city: &PoolCity,
        status: JobStatus,
    ) -> Option<Salary> {
        let is_silent = self.rng.random_ratio(1, 8);
        if is_silent && (!self.pay_range_required || status == JobStatus::Draft) {
            return None;
        }
        let [p10, p25, p50, p75, p90] = role.wages_in_cents;
        let (low, high) = match (employment, level) {
            (EmploymentType::Internship, _) => (p10, p25),
            (_, ExperienceLevel::Entry) => (p10, p50),
            (_, ExperienceLevel::Mid) => (p25, p75),
            _ => (p50, p90),
        };
        let step = if role.period == SalaryPeriod::Hour { 50 } else { 50_000 };
        let here = |cents: i64| cents * city.wage_per_mille / 1000 / step * step;
        Some(Salary {
            min: here(low),
            max: here(high),
            currency: city.currency.clone(),
            period: role.period,
        })
    }

    fn dates(&mut self, status: JobStatus) -> Dates {
        let days_ago = match status {
            JobStatus::Draft => 1..30,
            JobStatus::Published | JobStatus::Paused => 2..84,
            JobStatus::Closed | JobStatus::Archived => 60..720,
        };
        let created = self.before_today(days_ago.clone());
        if status == JobStatus::Draft {
            return Dates { created, updated: created, published: None, valid_through: None };
        }
        let published = created + Duration::seconds(self.rng.random_range(60..86_400));
        let ends = match status {
            JobStatus::Published | JobStatus::Paused => {
                let days = self.rng.random_range(14..120);
                self.day + Duration::days(days) - Duration::MINUTE
            }
            _ => published + Duration::days(self.rng.random_range(14..45)),
        };
        let updated = published + Duration::seconds(self.rng.random_range(0..86_400));
        let updated = if ends < self.day { ends } else { updated };
        Dates { created, updated, published: Some(published), valid_through: Some(ends) }
    }

    fn before_today(&mut self, days: std::ops::Range<i64>) -> OffsetDateTime {
        let seconds = self.rng.random_range(days.start * 86_400..days.end * 86_400);
        self.day - Duration::seconds(seconds)
    }
}

struct Dates {
    created: OffsetDateTime,
    updated: OffsetDateTime,
    published: Option<OffsetDateTime>,
    valid_through: Option<OffsetDateTime>,
}

fn location(city: &PoolCity) -> JobLocation {
    JobLocation {
        country: city.country.clone(),
        region: city.region.clone(),
        city: Some(city.city.clone()),
    }
}
