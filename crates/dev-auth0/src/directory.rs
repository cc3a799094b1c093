//! Who exists: organizations, people, and who is a member of what in which role.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tenancy::{OrgId, Role};

const FILE_MAX: u64 = 8 * 1024 * 1024;
const ORGANIZATIONS_MAX: usize = 5_000;
const PEOPLE_MAX: usize = 50_000;
const MEMBERSHIPS_MAX: usize = 200;
/// As many as Auth0 allows to be given with an invitation.
const ROLES_MAX: usize = 50;

/// An organization, as the directory file writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: OrgId,
    /// Lower-case name; it can change and be given to another organization, the id cannot.
    pub(crate) name: String,
    pub(crate) display_name: String,
}

/// A person, as the directory file writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) memberships: Vec<Membership>,
}

/// A person's place in one organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "MembershipEntry")]
pub(crate) struct Membership {
    pub(crate) org: OrgId,
    /// Names of roles; a member may have none or several.
    pub(crate) roles: Vec<String>,
}

/// The same as files and bodies write it: `role`, `roles` or neither.
#[derive(Deserialize)]
struct MembershipEntry {
    org: OrgId,
    role: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl From<MembershipEntry> for Membership {
    fn from(entry: MembershipEntry) -> Self {
        let roles = entry.role.into_iter().chain(entry.roles).collect();
        Self { org: entry.org, roles }
    }
}

impl Person {
    /// The person's roles in the organization, when they are a member.
    pub(crate) fn roles_in(&self, org: &OrgId) -> Option<&[String]> {
        self.memberships
            .iter()
            .find(|membership| membership.org == *org)
            .map(|membership| membership.roles.as_slice())
    }

    /// One word about the person's place in the organization, when they are a member.
    pub(crate) fn role_in(&self, org: &OrgId) -> Option<&str> {
        self.roles_in(org).map(|roles| roles.first().map_or("no role", String::as_str))
    }

    /// Whether a `login_hint` means this person.
    pub(crate) fn matches_hint(&self, hint: &str) -> bool {
        self.subject == hint || self.email.eq_ignore_ascii_case(hint)
    }
}

/// What is wrong with the directory file or with an addition to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("the directory {path} cannot be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the directory {0} is larger than {FILE_MAX} bytes")]
    TooLarge(PathBuf),
    #[error("the directory {path} is not in the expected format")]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{what} is empty, too long or has control characters")]
    Text { what: &'static str },
    #[error("the e-mail address of {0} is not one")]
    Email(String),
    #[error("{subject} is a member of {org}, which does not exist")]
    UnknownOrganization { subject: String, org: OrgId },
    #[error("{subject} is a member of {org} twice")]
    MemberTwice { subject: String, org: OrgId },
    #[error("the name {0} is another organization's")]
    NameTaken(String),
    #[error("the directory is full")]
    Full,
}

#[derive(Deserialize)]
struct DirectoryFile {
    #[serde(default)]
    organizations: Vec<Organization>,
    #[serde(default)]
    people: Vec<Person>,
}

/// All organizations and people.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    organizations: BTreeMap<OrgId, Organization>,
    people: BTreeMap<String, Person>,
}

impl Directory {
    /// Adds what a directory file holds.
    pub(crate) fn load(&mut self, path: &Path) -> Result<(), DirectoryError> {
        let unreadable = |source| DirectoryError::Unreadable { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX {
            return Err(DirectoryError::TooLarge(path.to_owned()));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let file: DirectoryFile = serde_json::from_slice(&bytes)
            .map_err(|source| DirectoryError::Malformed { path: path.to_owned(), source })?;
        for organization in file.organizations {
            self.put_organization(organization)?;
        }
        for person in file.people {
            self.put_person(person)?;
        }
        Ok(())
    }

    /// Adds an organization, or replaces the one with its id.
    pub(crate) fn put_organization(
        &mut self,
        organization: Organization,
    ) -> Result<(), DirectoryError> {
        check_text("the name of an organization", &organization.name)?;
        check_text("the display name of an organization", &organization.display_name)?;
        let holder = self.find_organization_by_name(&organization.name);
        if holder.is_some_and(|holder| holder.id != organization.id) {
            return Err(DirectoryError::NameTaken(organization.name));
        }
        let is_new = !self.organizations.contains_key(&organization.id);
        if is_new && self.organizations.len() >= ORGANIZATIONS_MAX {
            return Err(DirectoryError::Full);
        }
        self.organizations.insert(organization.id.clone(), organization);
        Ok(())
    }

    /// Adds a person, or replaces the one with that subject, memberships included.
    pub(crate) fn put_person(&mut self, person: Person) -> Result<(), DirectoryError> {
        check_text("a subject", &person.subject)?;
        check_text("the name of a person", &person.name)?;
        check_text("an e-mail address", &person.email)?;
        if !person.email.contains('@') {
            return Err(DirectoryError::Email(person.subject));
        }
        let is_new = !self.people.contains_key(&person.subject);
        if (is_new && self.people.len() >= PEOPLE_MAX) || person.memberships.len() > MEMBERSHIPS_MAX
        {
            return Err(DirectoryError::Full);
        }
        for (index, membership) in person.memberships.iter().enumerate() {
            check_roles(&membership.roles)?;
            let (subject, org) = (person.subject.clone(), membership.org.clone());
            if !self.organizations.contains_key(&org) {
                return Err(DirectoryError::UnknownOrganization { subject, org });
            }
            if person.memberships.iter().skip(index + 1).any(|other| other.org == org) {
                return Err(DirectoryError::MemberTwice { subject, org });
            }
        }
        self.people.insert(person.subject.clone(), person);
        Ok(())
    }

    /// Makes a person a member; answers whether they were none. Nobody who does not exist becomes one.
    pub(crate) fn join(&mut self, subject: &str, org: &OrgId) -> bool {
        let Some(person) = self.people.get_mut(subject) else { return false };
        let is_new = person.roles_in(org).is_none();
        if is_new {
            person.memberships.push(Membership { org: org.clone(), roles: Vec::new() });
        }
        is_new
    }

    /// Ends a membership; answers whether there was one.
    pub(crate) fn leave(&mut self, subject: &str, org: &OrgId) -> bool {
        let Some(person) = self.people.get_mut(subject) else { return false };
        let count = person.memberships.len();
        person.memberships.retain(|membership| membership.org != *org);
        person.memberships.len() < count
    }

    /// Gives a member roles; answers those that they did not have.
    pub(crate) fn assign(&mut self, subject: &str, org: &OrgId, roles: &[String]) -> Vec<String> {
        let Some(own) = self.roles_of_mut(subject, org) else { return Vec::new() };
        let added: Vec<String> = roles.iter().filter(|role| !own.contains(role)).cloned().collect();
        own.extend(added.iter().cloned());
        added
    }

    /// Takes roles from a member; answers those that they had.
    pub(crate) fn withdraw(&mut self, subject: &str, org: &OrgId, roles: &[String]) -> Vec<String> {
        let Some(own) = self.roles_of_mut(subject, org) else { return Vec::new() };
        let taken: Vec<String> = own.iter().filter(|role| roles.contains(role)).cloned().collect();
        own.retain(|role| !roles.contains(role));
        taken
    }

    /// The names of all roles: the portal's, and whatever else somebody has.
    pub(crate) fn role_names(&self) -> BTreeSet<String> {
        let given = self.people.values().flat_map(|person| &person.memberships);
        let given = given.flat_map(|membership| membership.roles.iter().cloned());
        Role::ALL.iter().map(|role| role.as_str().to_owned()).chain(given).collect()
    }

    fn roles_of_mut(&mut self, subject: &str, org: &OrgId) -> Option<&mut Vec<String>> {
        let memberships = &mut self.people.get_mut(subject)?.memberships;
        memberships
            .iter_mut()
            .find(|membership| membership.org == *org)
            .map(|membership| &mut membership.roles)
    }

    /// An organization by id.
    pub(crate) fn find_organization(&self, id: &OrgId) -> Option<&Organization> {
        self.organizations.get(id)
    }

    /// An organization by name, in any case.
    pub(crate) fn find_organization_by_name(&self, name: &str) -> Option<&Organization> {
        self.organizations
            .values()
            .find(|organization| organization.name.eq_ignore_ascii_case(name))
    }

    /// A person by subject.
    pub(crate) fn find_person(&self, subject: &str) -> Option<&Person> {
        self.people.get(subject)
    }

    /// The person that a `login_hint` means.
    pub(crate) fn find_person_by_hint(&self, hint: &str) -> Option<&Person> {
        self.people.get(hint).or_else(|| self.people.values().find(|p| p.matches_hint(hint)))
    }

    /// All organizations, by id.
    pub(crate) fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    /// All people, by subject.
    pub(crate) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }
}

/// Refuses roles that are too many or have unusable names.
pub(crate) fn check_roles(roles: &[String]) -> Result<(), DirectoryError> {
    if roles.len() > ROLES_MAX {
        return Err(DirectoryError::Full);
    }
    roles.iter().try_for_each(|role| check_text("a role", role))
}

/// Refuses a text that is empty, longer than 200 bytes or has control characters.
pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), DirectoryError> {
    if (1..=200).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(DirectoryError::Text { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(id: &str, name: &str) -> Organization {
        Organization { id: id.parse().unwrap(), name: name.into(), display_name: name.into() }
    }

    fn person(subject: &str, orgs: &[&str]) -> Person {
        let memberships = orgs
            .iter()
            .map(|org| Membership { org: org.parse().unwrap(), roles: vec!["recruiter".into()] })
            .collect();
        Person {
            subject: subject.into(),
            name: subject.into(),
            email: format!("{}@example.test", subject.replace('|', ".")),
            memberships,
        }
    }

    #[test]
    fn members_belong_to_organizations_that_exist() {
        let mut directory = Directory::default();
        directory.put_organization(organization("org_a", "alder")).unwrap();
        assert!(directory.put_person(person("auth0|1", &["org_b"])).is_err());
        assert!(directory.put_person(person("auth0|1", &["org_a", "org_a"])).is_err());
        directory.put_person(person("auth0|1", &["org_a"])).unwrap();
        let found = directory.find_person_by_hint("AUTH0.1@example.test").unwrap();
        assert_eq!(found.role_in(&"org_a".parse().unwrap()), Some("recruiter"));
    }

    #[test]
    fn a_name_belongs_to_one_organization() {
        let mut directory = Directory::default();
        directory.put_organization(organization("org_a", "alder")).unwrap();
        assert!(directory.put_organization(organization("org_b", "Alder")).is_err());
        directory.put_organization(organization("org_a", "beech")).unwrap();
        directory.put_organization(organization("org_b", "alder")).unwrap();
    }
}
