//! Tenants and jobs that are drawn from the pools of `demo/`.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use time::OffsetDateTime;

use super::data::{self, PoolCity, PoolRole};
use super::people;
use super::plan::LoadPlan;
use super::report::SeedError;
use super::rows::{self, MemberRow, PersonRow, TenantRow};
use super::stream::JobStream;

const PLACE_NAMES: [&str; 16] = [
    "Alderfen",
    "Birchmoor",
    "Cinderholm",
    "Dunhaven",
    "Elmsworth",
    "Fernhollow",
    "Greywater",
    "Hollowbrook",
    "Ironvale",
    "Juniper Bend",
    "Kestrelton",
    "Larkmead",
    "Mossbridge",
    "Northwick",
    "Oxenford Green",
    "Pinecrest Bay",
];
/// What is drawn from.
#[derive(Debug)]
pub(super) struct Pools {
    roles: Vec<PoolRole>,
    cities: Vec<PoolCity>,
}

/// A tenant, with its jobs still to be drawn.
#[derive(Debug)]
pub(super) struct GeneratedTenant<'a> {
    pub tenant: TenantRow,
    pub people: Vec<PersonRow>,
    pub members: Vec<MemberRow>,
    pub jobs: JobStream<'a>,
}

impl Pools {
    pub(super) fn read() -> Result<Self, SeedError> {
        Ok(Self { roles: data::roles()?, cities: data::cities()? })
    }

    /// The tenant of that rank, the same for the same seed, rank, size and day. None of the others
    /// has a part in it, so that tenants can be made in any order.
    pub(super) fn tenant(
        &self,
        plan: &LoadPlan,
        rank: u32,
        jobs: u32,
        day: OffsetDateTime,
    ) -> Option<GeneratedTenant<'_>> {
        let key = format!("load-{}-{rank:03}", plan.seed);
        let mut rng = StdRng::seed_from_u64(u64::from(rank).rotate_left(32) ^ plan.seed);
        let kind = self.roles.choose(&mut rng)?.kind.as_str();
        let home = weighted(&mut rng, &self.cities, |city| city.weight)?;
        let near: Vec<&PoolCity> =
            self.cities.iter().filter(|city| city.currency == home.currency).collect();
        let sites = usize::try_from(jobs / 500).unwrap_or(usize::MAX).min(12);
        let sites = std::iter::once(home).chain(near.sample(&mut rng, sites).copied()).collect();
        let roles: Vec<&PoolRole> = self.roles.iter().filter(|role| role.kind == kind).collect();
        let (people, members) = people::people_of(&mut rng, &key, jobs);
        let name = format!("{} {} {rank:03}", PLACE_NAMES.choose(&mut rng)?, noun(kind));
        let tenant = TenantRow {
            id: rows::id_of(&key),
            org_id: organization_id(&key),
            slug: key,
            name,
            status: "active".to_owned(),
            time_zone: home.time_zone.clone(),
            locale: locale(&home.country).to_owned(),
            currency: home.currency.clone(),
            pay_range_required: home.currency == "EUR",
        };
        let jobs = JobStream {
            numbers: 1..=jobs,
            day,
            pay_range_required: tenant.pay_range_required,
            roles,
            sites,
            members: members.clone(),
            rng,
        };
        Some(GeneratedTenant { tenant, people, members, jobs })
    }
}

/// `org_` and 16 letters or digits.
fn organization_id(key: &str) -> String {
    let mut id = rows::id_of(&format!("{key}/organization")).simple().to_string();
    id.truncate(16);
    format!("org_{id}")
}

fn noun(kind: &str) -> &'static str {
    match kind {
        "consultancy" => "Consulting",
        "hospital" => "Clinics",
        "manufacturer" => "Works",
        "hotel" => "Hotels",
        _ => "Freight",
    }
}

fn locale(country: &str) -> &'static str {
    match country {
        "DE" => "de-DE",
        "GB" => "en-GB",
        "SG" => "en-SG",
        _ => "en-US",
    }
}

/// One of `all`, each as likely as its weight says.
pub(super) fn weighted<'a, T>(
    rng: &mut StdRng,
    all: &'a [T],
    weight: impl Fn(&T) -> u32,
) -> Option<&'a T> {
    let total: u32 = all.iter().map(&weight).sum();
    let mut left = rng.random_range(0..total.max(1));
    all.iter().find(|one| {
        let here = weight(one);
        let is_here = left < here;
        left = left.saturating_sub(here);
        is_here
    })
}

#[cfg(test)]
mod tests;
