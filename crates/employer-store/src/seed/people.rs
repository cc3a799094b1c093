//! Invented people of generated tenants.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tenancy::Role;

use super::rows::{self, MemberRow, PersonRow};

pub(super) const GIVEN_NAMES: [&str; 40] = [
    "Amara", "Anton", "Beatriz", "Bilal", "Carmen", "Chen", "Dalia", "Daniel", "Elena", "Emeka",
    "Fatima", "Felix", "Gita", "Hassan", "Helen", "Hiro", "Imani", "Ivan", "Joanna", "Jorge",
    "Kavya", "Kofi", "Lena", "Liam", "Mai", "Marco", "Naomi", "Nikhil", "Olga", "Omar", "Paula",
    "Rafael", "Ruth", "Samir", "Sofia", "Tariq", "Uma", "Victor", "Wanda", "Yusuf",
];
pub(super) const FAMILY_NAMES: [&str; 40] = [
    "Abara",
    "Albrecht",
    "Banerjee",
    "Barlow",
    "Castell",
    "Dvorak",
    "Eriksen",
    "Farouk",
    "Ferreira",
    "Galloway",
    "Haddad",
    "Holm",
    "Ibarra",
    "Jansen",
    "Kaplan",
    "Keller",
    "Kowalczyk",
    "Lindgren",
    "Mbeki",
    "Mercado",
    "Nakamura",
    "Novak",
    "Okonkwo",
    "Ortega",
    "Park",
    "Petrov",
    "Quinlan",
    "Rahman",
    "Rossi",
    "Sato",
    "Schmid",
    "Silva",
    "Tanaka",
    "Thorne",
    "Ueda",
    "Vance",
    "Weiss",
    "Yilmaz",
    "Zapata",
    "Zhang",
];

/// Who joins as a tenant grows; the first two are always there.
const ROLES: [Role; 12] = [
    Role::Owner,
    Role::Recruiter,
    Role::HiringManager,
    Role::Viewer,
    Role::Admin,
    Role::Recruiter,
    Role::HiringManager,
    Role::HiringManager,
    Role::Recruiter,
    Role::HiringManager,
    Role::Viewer,
    Role::Admin,
];

/// The people of a tenant with that many jobs; `key` tells them from those of all other tenants.
pub(super) fn people_of(
    rng: &mut StdRng,
    key: &str,
    jobs: u32,
) -> (Vec<PersonRow>, Vec<MemberRow>) {
    let count = usize::try_from(2 + jobs / 200).unwrap_or(usize::MAX);
    let member = |(index, role): (usize, &Role)| {
        let given = GIVEN_NAMES.choose(rng).copied().unwrap_or("Alex");
        let family = FAMILY_NAMES.choose(rng).copied().unwrap_or("Example");
        let person = PersonRow {
            id: rows::id_of(&format!("{key}/person/{index}")),
            subject: format!("auth0|{:024x}", rng.random::<u128>() >> 32),
            name: format!("{given} {family}"),
            email: format!("{given}.{family}.{key}.{index}@example.com").to_ascii_lowercase(),
        };
        let membership = MemberRow { user: person.id, role: *role };
        (person, membership)
    };
    ROLES.iter().take(count).enumerate().map(member).unzip()
}
