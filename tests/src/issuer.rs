//! An issuer of tokens that a test has all to itself: it publishes what it is told, signs what it is
//! told, and counts who asks for its keys. People cannot sign in with it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::portal::{Portal, Redis};
use crate::tenant::Databases;

/// The API that its tokens are for.
pub const AUDIENCE: &str = "https://api.portal.example";

/// The id of its key.
pub const KEY_ID: &str = "key-1";

/// The two forms of its tokens, by the `typ` of their headers.
pub const FORMS: [&str; 2] = ["JWT", "at+jwt"];

/// The issuer; it stops when this is dropped.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    key: Key,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
    is_away: AtomicBool,
    is_over: AtomicBool,
}

/// An RSA key.
pub struct Key(KeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(..)")
    }
}

impl Key {
    /// A new one.
    pub fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// A token of exactly this header and these claims, signed with RS256.
    pub fn sign(&self, header: &Value, claims: &str) -> String {
        let message = message(header, claims);
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that pretends that the public key is a shared secret.
    pub fn sign_with_public_pem(&self, header: &Value, claims: &str) -> String {
        let der = STANDARD.encode(self.0.public_key().as_ref());
        let lines: Vec<&str> =
            der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!(
            "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
            lines.join("\n")
        );
        sign_with_secret(pem.as_bytes(), header, claims)
    }

    /// The key as a key set prints it.
    pub fn published(&self, id: &str) -> Value {
        let public = self.0.public_key();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }
}

/// A token that is signed with a shared secret.
pub fn sign_with_secret(secret: &[u8], header: &Value, claims: &str) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// What a signature covers.
pub fn message(header: &Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

/// Seconds since 1970; the portal under test has the real time too.
#[expect(clippy::disallowed_methods, reason = "the portal under test has the real time too")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl Issuer {
    /// Starts one with one key.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, key) = (listener.local_addr().unwrap(), Key::generate());
        let shared = Arc::new(Shared::default());
        shared.keys.lock().unwrap().push(key.published(KEY_ID));
        let seen = Arc::clone(&shared);
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.is_over.load(Ordering::Acquire) {
                    return;
                }
                // A client that goes away in the middle concerns nobody.
                drop(stream.and_then(|stream| answer(stream, address, &seen)));
            }
        });
        Self { address, shared, key, server: Some(server) }
    }

    /// A portal that believes this issuer.
    pub async fn portal(&self, databases: &Databases, redis: Redis) -> Portal {
        self.portal_with(databases, redis, &[]).await
    }

    /// The same with further settings.
    pub async fn portal_with(
        &self,
        databases: &Databases,
        redis: Redis,
        settings: &[(&str, &str)],
    ) -> Portal {
        let issuer = self.url();
        let ours = [("AUTH0_ISSUER_BASE_URL", issuer.as_str()), ("AUTH0_AUDIENCE", AUDIENCE)];
        let settings: Vec<(&str, &str)> =
            ours.into_iter().chain(settings.iter().copied()).collect();
        Portal::spawn_with(databases, redis, &settings).await
    }

    /// The issuer, byte for byte.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Publishes one more key.
    pub fn publishes(&self, key: Value) {
        self.shared.keys.lock().unwrap().push(key);
    }

    /// Answers nothing but errors from now on, or answers again.
    pub fn is_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::Release);
    }

    /// How often its keys were asked for.
    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::Acquire)
    }

    /// The header of a good token.
    pub fn header(form: &str) -> Value {
        json!({ "alg": "RS256", "typ": form, "kid": KEY_ID })
    }

    /// The claims of a good token of a person.
    pub fn claims(&self, form: &str, subject: &str, org: &str, scope: &str) -> Value {
        let issuer = self.url();
        let mut claims = json!({
            "iss": issuer, "sub": subject, "aud": [AUDIENCE, format!("{issuer}userinfo")],
            "iat": now() - 1, "exp": now() + 3_600, "org_id": org, "scope": scope,
            "jti": Uuid::new_v4().to_string(),
        });
        claims[if form == "JWT" { "azp" } else { "client_id" }] = json!("an-application");
        claims
    }

    /// A good token of a person.
    pub fn token(&self, form: &str, subject: &str, org: &str, scope: &str) -> String {
        let claims = self.claims(form, subject, org, scope);
        self.key.sign(&Self::header(form), &claims.to_string())
    }

    /// A good token of a machine.
    pub fn machine_token(&self, form: &str, org: &str, scope: &str) -> String {
        let mut claims = self.claims(form, "an-application@clients", org, scope);
        claims["gty"] = json!("client-credentials");
        self.key.sign(&Self::header(form), &claims.to_string())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the server up, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            drop(server.join());
        }
    }
}

/// Answers one request on a connection.
fn answer(mut stream: TcpStream, address: SocketAddr, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let at = |path: &str| format!("http://{address}/{path}");
    let body = match path {
        "/.well-known/openid-configuration" => Some(json!({
            "issuer": at(""), "authorization_endpoint": at("authorize"),
            "token_endpoint": at("oauth/token"), "jwks_uri": at(".well-known/jwks.json"),
        })),
        "/.well-known/jwks.json" => {
            shared.fetches.fetch_add(1, Ordering::AcqRel);
            Some(json!({ "keys": *shared.keys.lock().unwrap() }))
        }
        _ => None,
    };
    let (status, body) = match body {
        Some(_) if shared.is_away.load(Ordering::Acquire) => ("502 Bad Gateway", String::new()),
        Some(body) => ("200 OK", body.to_string()),
        None => ("404 Not Found", String::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
