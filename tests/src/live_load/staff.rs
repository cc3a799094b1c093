//! Employers with people who are signed in and a job to apply for.

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::Url;
use serde_json::json;
use sqlx::Executor as _;
use std::net::SocketAddr;
use tenancy::Role;
use uuid::Uuid;

use super::contender::{Contender, Publisher};
use super::crowd::Door;
use super::processes::Processes;
use crate::job;
use crate::portal::{AS_DELIVERED, Portal, Redis};
use crate::tenant::{Tenant, World};

/// People who sign in at a time.
const AT_ONCE: usize = 4;

/// As delivered but for what 1,000 streams of some hundred people need.
const SETTINGS: [(&str, &str); 7] = [
    ("PORTAL__HTTP__WORKERS", "0"),
    ("PORTAL__DATABASE__MAX_CONNECTIONS", "16"),
    ("PORTAL__DATABASE__WORKER_MAX_CONNECTIONS", "4"),
    ("PORTAL__EVENTS__STREAMS_PER_SESSION", "10"),
    AS_DELIVERED[0],
    AS_DELIVERED[1],
    AS_DELIVERED[2],
];

/// An employer.
#[derive(Debug)]
pub(super) struct Employer {
    /// Where one applies.
    pub(super) path: String,
    /// Cookies of its people, as a header line.
    cookies: Vec<String>,
}

/// Starts an instance over a Redis that others share.
pub(super) async fn portal(world: &World, redis: &str) -> Portal {
    let redis = Redis::At(redis.to_owned());
    Portal::spawn_with(&world.databases, redis, &SETTINGS).await
}

impl Employer {
    /// Opens one with so many recruiters.
    pub(super) async fn opens(world: &World, portal: &Portal, recruiters: usize) -> Self {
        let tenant = world.tenant().await;
        let subjects = hires(&tenant, recruiters).await;
        let mut browser = tenant.signs_in(portal, Role::Owner).await;
        let created = browser.post("/api/jobs", &job::nurse()).await.expect(201);
        let publish = format!("{}/publish", created.header("location"));
        let _ = browser.post(&publish, &json!({})).await.expect(200);
        let slug = created.json()["slug"].as_str().unwrap().to_owned();
        let mut cookies = Vec::new();
        for subject in subjects {
            browser = portal.browser();
            browser.signs_in(tenant.provider(), &subject, &tenant.org).await;
            let pairs = browser.cookies().iter().map(|(name, value)| format!("{name}={value}"));
            cookies.push(format!("Cookie: {}\r\n", pairs.collect::<Vec<_>>().join("; ")));
        }
        Self { path: format!("/public/boards/{}/jobs/{slug}/apply", tenant.slug), cookies }
    }

    /// So many of them.
    pub(super) async fn open_many(
        world: &World,
        portal: &Portal,
        employers: usize,
        recruiters: usize,
    ) -> Vec<Self> {
        stream::iter(0..employers)
            .map(|_| Self::opens(world, portal, recruiters))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// Doors for `each` streams of everybody, at one instance after the other.
    pub(super) fn doors(&self, portals: &[Portal], each: usize) -> Vec<Door> {
        let addresses: Vec<SocketAddr> = portals.iter().map(address_of).collect();
        let mut doors = Vec::new();
        for (number, cookie) in self.cookies.iter().enumerate() {
            for stream in 0..each {
                let instance = (number + stream) % addresses.len();
                doors.push(Door {
                    address: addresses[instance],
                    instance,
                    path: "/api/events/stream".to_owned(),
                    headers: cookie.clone(),
                    is_greeted: true,
                });
            }
        }
        doors
    }

    /// It as whoever tells all its people's streams of an application.
    pub(super) fn contender(&self, portals: &[Portal], each: usize) -> Contender {
        let ids: Vec<u32> = portals.iter().map(Portal::id).collect();
        Contender {
            processes: Processes::of(&ids),
            doors: self.doors(portals, each),
            publisher: Publisher::Apply {
                address: address_of(&portals[0]),
                path: self.path.clone(),
            },
        }
    }
}

pub(super) fn address_of(portal: &Portal) -> SocketAddr {
    let url = Url::parse(portal.base_url()).unwrap();
    url.socket_addrs(|| None).unwrap()[0]
}

/// Adds recruiters, and answers the provider's names of them.
async fn hires(tenant: &Tenant, recruiters: usize) -> Vec<String> {
    let mut connection = tenant.connection().await;
    let mut subjects = Vec::new();
    for number in 0..recruiters {
        let subject = format!("{}-{number}", tenant.subject(Role::Recruiter));
        let name = format!("Recruiter {number}");
        let insert = sqlx::query(
            "WITH person AS (
                 INSERT INTO users (id, subject, name, email_norm) VALUES ($1, $2, $3, $4)
             )
             INSERT INTO memberships (tenant_id, user_id, role) VALUES ($5, $1, 'recruiter')",
        );
        let email = format!("{}@example.com", subject.replace('|', "."));
        let insert = insert.bind(Uuid::now_v7()).bind(&subject).bind(&name).bind(email);
        connection.execute(insert.bind(tenant.id)).await.unwrap();
        tenant.provider().has_person(&subject, &name, &[(&tenant.org, "recruiter")]).await;
        subjects.push(subject);
    }
    subjects
}
