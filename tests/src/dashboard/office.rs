//! A tenant, its people, and what they ask for.

use employer_store::seed::{DirectoryOrganization, SignInDirectory};
use serde_json::Value;
use tenancy::Role;

use crate::client::Browser;
use crate::identity::IdentityProvider;
use crate::portal::Portal;

/// Most places and titles that questions are made of.
const MOST_WORDS: usize = 40;

/// One employer.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) index: usize,
    pub(super) people: Vec<Person>,
    /// Those of them who may write; somebody always may.
    pub(super) editors: Vec<Browser>,
    /// Cities of its newest jobs, without repetitions.
    pub(super) places: Vec<String>,
    /// Titles of its newest jobs, without repetitions.
    pub(super) titles: Vec<String>,
    /// Jobs that may be changed, newest first.
    pub(super) open_jobs: Vec<String>,
    /// Those of them that are published or paused.
    pub(super) visible_jobs: Vec<String>,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) browser: Browser,
    /// People of a tenant with the same view share cached answers.
    pub(super) view: String,
    /// Whether they see only the jobs that they are assigned to.
    pub(super) sees_only_some: bool,
    /// The newest jobs that they see.
    pub(super) jobs: Vec<String>,
}

impl Office {
    pub(super) async fn open(
        index: usize,
        organization: &DirectoryOrganization,
        directory: &SignInDirectory,
        provider: &IdentityProvider,
        portal: &Portal,
    ) -> Self {
        provider.has_organization(&organization.id, &organization.name).await;
        let mut office = Self {
            index,
            people: Vec::new(),
            editors: Vec::new(),
            places: Vec::new(),
            titles: Vec::new(),
            open_jobs: Vec::new(),
            visible_jobs: Vec::new(),
        };
        for person in &directory.people {
            let Some(membership) =
                person.memberships.iter().find(|membership| membership.org == organization.id)
            else {
                continue;
            };
            let role: Role = membership.role.parse().unwrap();
            let memberships = [(organization.id.as_str(), membership.role.as_str())];
            provider.has_person(&person.subject, &person.name, &memberships).await;
            let mut browser = portal.browser();
            browser.signs_in(provider, &person.subject, &organization.id).await;
            office.welcomes(browser, role, &person.subject).await;
        }
        office
    }

    async fn welcomes(&mut self, browser: Browser, role: Role, subject: &str) {
        let newest = newest(&browser, "").await;
        let may_write = matches!(role, Role::Owner | Role::Admin | Role::Recruiter);
        let view = match role {
            Role::Owner | Role::Admin | Role::Recruiter => "all",
            Role::Viewer => "published",
            Role::HiringManager => subject,
        };
        if may_write && self.editors.is_empty() {
            self.open_jobs = texts(&newest_open(&browser).await, "/id");
            self.visible_jobs = texts(&newest_with(&browser, "published,paused").await, "/id");
            self.places = distinct(texts(&newest, "/locations/0/city"));
            self.titles = distinct(texts(&newest, "/title"));
        }
        if may_write {
            self.editors.push(browser.clone());
        }
        let jobs = texts(&newest, "/id");
        let sees_only_some = role == Role::HiringManager;
        self.people.push(Person { browser, view: view.to_owned(), sees_only_some, jobs });
    }
}

async fn newest_open(browser: &Browser) -> Vec<Value> {
    newest_with(browser, "draft,published,paused").await
}

async fn newest_with(browser: &Browser, statuses: &str) -> Vec<Value> {
    newest(browser, &format!("&status={statuses}")).await
}

async fn newest(browser: &Browser, filter: &str) -> Vec<Value> {
    let path = format!("/api/jobs?limit=100&sort=newest{filter}");
    let page = browser.get(&path).await.expect(200).json();
    page["data"].as_array().cloned().unwrap_or_default()
}

fn texts(jobs: &[Value], pointer: &str) -> Vec<String> {
    jobs.iter().filter_map(|job| Some(job.pointer(pointer)?.as_str()?.to_owned())).collect()
}

fn distinct(words: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).take(MOST_WORDS).collect()
}
