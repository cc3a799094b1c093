//! Nothing secret is told while people sign in, work and sign out and Redis fails meanwhile: the
//! log at its most talkative and every answer are searched.

#![expect(clippy::unwrap_used, reason = "helpers of tests report by panicking, as tests do")]

use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::client::{Answer, Browser};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnUpstash;
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use portal_tests::{environment, portal};
use tenancy::Role;
use url::Url;

/// Our own crates say everything, libraries nearly so.
const TALKATIVE: (&str, &str) = ("PORTAL__TELEMETRY__FILTER", "trace");
const SOON: Duration = Duration::from_secs(20);

/// Secrets of a run, and where they must not stand.
#[derive(Default)]
struct Search {
    secrets: Vec<String>,
    texts: Vec<String>,
}

impl Search {
    fn keeps(&mut self, secret: &str) {
        let decoded = url::form_urlencoded::parse(secret.as_bytes()).map(|(text, _)| text);
        self.secrets.extend(decoded.map(std::borrow::Cow::into_owned));
        self.secrets.push(secret.to_owned());
    }

    fn keeps_password_of(&mut self, address: &str) {
        let url = Url::parse(address).unwrap();
        self.keeps(url.password().unwrap());
    }

    /// What a browser holds may be told to that browser alone, so answers are not searched for it.
    fn ends(mut self, log: &str, browsers: &[&Browser]) {
        for text in &self.texts {
            self.finds_none(text);
        }
        for browser in browsers {
            for cookie in browser.cookies().values() {
                self.keeps(cookie);
                // The name of a session, without what proves that we gave it.
                let bare = cookie.rsplit(['=', '.', '%']).max_by_key(|part| part.len());
                self.keeps(bare.unwrap());
            }
            self.keeps(browser.csrf_token().unwrap());
        }
        assert!(log.contains("TRACE"), "the log says everything");
        self.finds_none(log);
    }

    fn finds_none(&self, text: &str) {
        use base64::Engine;
        for secret in self.secrets.iter().filter(|secret| secret.len() > 7) {
            let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
            for form in [secret.as_str(), encoded.trim_end_matches('=')] {
                let line = text.lines().find(|line| line.contains(form));
                assert_eq!(line, None, "{form} is told");
            }
        }
        // Whatever begins as a token in three parts does.
        let token = text.lines().find(|line| line.contains("eyJ") && line.contains(".eyJ"));
        assert_eq!(token, None, "a token is told");
    }
}

/// Somebody signs in, works and looks at everything; answers come to be searched.
async fn works(portal: &Portal, tenant: &Tenant, search: &mut Search) -> Browser {
    let provider = tenant.provider();
    let mut browser = portal.browser();
    let login = browser.visit(&format!("/auth/login?organization={}", tenant.org)).await;
    let callback = browser
        .authorizes(provider, &login.header("location"), &tenant.subject(Role::Owner), &tenant.org)
        .await;
    for (name, value) in Url::parse(&callback).unwrap().query_pairs() {
        if ["code", "state"].contains(&&*name) {
            search.keeps(&value);
        }
    }
    let callback = callback.strip_prefix(portal.base_url()).unwrap();
    let _ = browser.visit(callback).await.expect(303);
    browser.signs_in(provider, &tenant.subject(Role::Owner), &tenant.org).await;
    let created = browser.post("/api/jobs", &job::nurse()).await.expect(201);
    let paths = [created.header("location").as_str(), "/api/jobs", "/health/cache", "/nowhere"]
        .map(str::to_owned);
    for path in paths {
        search.texts.push(shown(&browser.get(&path).await));
    }
    browser
}

fn shown(answer: &Answer) -> String {
    format!("{:?}\n{}", answer.headers, answer.text)
}

/// Asks for something that Redis would have, until the answer says that Redis is away, or that it is
/// back. Nobody is refused for it.
async fn asks_until(search: &mut Search, browser: &Browser, is_away: bool) {
    eventually("it is answered so", SOON, async || {
        let answer = browser.get("/api/jobs").await.expect(200);
        search.texts.push(shown(&answer));
        let is_told_away = matches!(answer.header("x-cache").as_str(), "bypass" | "stale");
        (is_told_away == is_away).then_some(())
    })
    .await;
}

/// The secrets that every portal of a test has.
async fn stage(redis: Redis) -> (World, Tenant, Portal, Search) {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, redis, &[TALKATIVE]).await;
    let mut search = Search::default();
    search.keeps(portal::CLIENT_SECRET);
    search.keeps(portal::session_keys().split_once(':').unwrap().1);
    search.keeps_password_of(&world.databases.app_url);
    search.keeps_password_of(&world.databases.worker_url);
    (world, tenant, portal, search)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_told_while_a_cluster_fails() {
    let cluster = OwnCluster::start(&environment::redis_server());
    let authority = cluster.ca_file().to_str().unwrap().to_owned();
    let redis = Redis::Cluster { url: cluster.url(), authority };
    let (_world, tenant, portal, mut search) = stage(redis).await;
    search.keeps_password_of(&cluster.url());
    let browser = works(&portal, &tenant, &mut search).await;
    let primaries = cluster.primaries();
    for node in &primaries {
        cluster.pause(*node);
    }
    asks_until(&mut search, &browser, true).await;
    for node in &primaries {
        cluster.resume(*node);
    }
    asks_until(&mut search, &browser, false).await;
    for primary in cluster.primaries() {
        cluster.kill_connections(primary);
    }
    asks_until(&mut search, &browser, false).await;
    search.ends(&portal.log(), &[&browser]);
}

#[tokio::test]
async fn nothing_secret_is_told_while_a_rest_service_fails() {
    let upstash = OwnUpstash::start_new().await;
    let (_world, tenant, portal, mut search) = stage(upstash.as_redis()).await;
    search.keeps(OwnUpstash::TOKEN);
    let browser = works(&portal, &tenant, &mut search).await;
    for fault in ["status-500", "html-502", "hang", "drop-reply", "status-429", "cut-stream"] {
        upstash.fails_with(fault).await;
        asks_until(&mut search, &browser, true).await;
        upstash.is_mended().await;
        asks_until(&mut search, &browser, false).await;
    }
    search.ends(&portal.log(), &[&browser]);
}
