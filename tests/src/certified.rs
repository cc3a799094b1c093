//! An OpenID provider that is not ours: npm's certified `oidc-provider`, as a process.

use std::process::Stdio;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::client::{Answer, Browser};
use crate::environment;
use crate::portal::{Portal, free_port};
use crate::waiting::eventually;

/// A running provider; it is killed when this is dropped.
#[derive(Debug)]
pub struct CertifiedProvider {
    issuer: String,
    http: Client,
    _process: Child,
}

impl CertifiedProvider {
    /// Starts one whose access tokens live for so many seconds.
    pub async fn start(access_token_seconds: u32) -> Self {
        let port = free_port();
        let process = Command::new(environment::node())
            .arg(environment::openid_provider_script())
            .args([port.to_string(), access_token_seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (issuer, http) = (format!("http://localhost:{port}/"), crate::client::http());
        eventually("oidc-provider listens", Duration::from_secs(30), async || {
            let url = format!("{issuer}.well-known/openid-configuration");
            let answer = http.get(url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Self { issuer, http, _process: process }
    }

    /// The issuer, byte for byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Makes a portal its client: where it takes people back, and hears of sign-outs.
    pub async fn registers(&self, portal: &Portal) {
        self.posts("dev/portal", &json!({ "base_url": portal.base_url() })).await;
    }

    /// Adds a person.
    pub async fn has_person(&self, subject: &str, email: &str) {
        let body = json!({ "subject": subject, "name": "Ada Certified", "email": email });
        self.posts("dev/people", &body).await;
    }

    /// How often a grant came to this outcome: `success` or `error`.
    pub async fn count(&self, grant: &str, outcome: &str) -> u64 {
        let answer = self.http.get(format!("{}dev/counts", self.issuer)).send().await.unwrap();
        let counts: Value = answer.json().await.unwrap();
        counts[format!("{grant} {outcome}")].as_u64().unwrap_or(0)
    }

    /// A browser that has not been here.
    pub fn visitor(&self) -> Visitor {
        let jar = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .cookie_store(true);
        Visitor { issuer: self.issuer.clone(), http: jar.build().unwrap() }
    }

    async fn posts(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.issuer);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
}

/// Somebody's browser at the provider: it is signed in there after the first time.
#[derive(Debug)]
pub struct Visitor {
    issuer: String,
    http: Client,
}

impl Visitor {
    /// Goes from the portal to the provider and back; answers what the callback says.
    pub async fn goes_through_login(
        &self,
        browser: &mut Browser,
        subject: &str,
        org: &str,
    ) -> Answer {
        let login = browser.visit(&format!("/auth/login?organization={org}")).await.expect(303);
        let mut next = login.header(LOCATION.as_str());
        for _ in 0..6 {
            if let Some((_, query)) = next.split_once("/auth/callback?") {
                return browser.visit(&format!("/auth/callback?{query}")).await;
            }
            if next.contains("/dev/interaction/") {
                let mut url = self.absolute(&next);
                url.query_pairs_mut().append_pair("subject", subject);
                next = url.into();
            }
            next = self.follows(&next).await;
        }
        panic!("no way back to the portal: {next}");
    }

    /// Signs out at the provider, as its page asks to.
    pub async fn signs_out_there(&self, logout_url: &str) {
        let page = self.http.get(logout_url).send().await.unwrap();
        let page = page.text().await.unwrap();
        let field = |name: &str| {
            let mark = format!("name=\"{name}\" value=\"");
            let rest = page.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
            rest.split('"').next().unwrap().to_owned()
        };
        let form = [("xsrf", field("xsrf")), ("logout", "yes".to_owned())];
        let url = format!("{}session/end/confirm", self.issuer);
        let done = self.http.post(url).form(&form).send().await.unwrap();
        assert!(done.status().is_redirection(), "{}", done.text().await.unwrap());
    }

    async fn follows(&self, address: &str) -> String {
        let answer = self.http.get(self.absolute(address)).send().await.unwrap();
        assert!(answer.status().is_redirection(), "{address}: {}", answer.text().await.unwrap());
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    fn absolute(&self, address: &str) -> url::Url {
        url::Url::parse(&self.issuer).unwrap().join(address).unwrap()
    }
}
