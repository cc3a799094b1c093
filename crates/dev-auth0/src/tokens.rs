//! The tokens: what they say, and how they are signed or checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::faults::Faults;
use crate::ledger::Authorization;
use crate::provider::Provider;

const HOUR: i64 = 3_600;

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("the token cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    #[error("{0} does not exist any more, or is no member any more")]
    Gone(String),
}

/// How a token is signed, rightly or wrongly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Signature {
    #[default]
    Rs256,
    None,
    Hs256,
    Broken,
    UnknownKey,
}

impl Signature {
    /// How the faults want an ID token signed.
    pub(crate) fn of_faults(faults: &Faults) -> Self {
        match faults {
            Faults { alg_none: true, .. } => Self::None,
            Faults { hs256: true, .. } => Self::Hs256,
            Faults { bad_signature: true, .. } => Self::Broken,
            Faults { unknown_kid: true, .. } => Self::UnknownKey,
            _ => Self::Rs256,
        }
    }
}

/// The claims of an ID token without faults.
fn id_claims(
    provider: &Provider,
    authorization: &Authorization,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, TokenError> {
    let settings = &provider.settings;
    let now = provider.now().unix_timestamp();
    let mut claims = profile_claims(provider, authorization)?;
    claims.insert("iss".into(), json!(settings.issuer));
    claims.insert("aud".into(), json!(settings.client_id));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now + seconds(settings.id_token_lifetime)));
    claims.insert("sid".into(), json!(authorization.sid));
    if let Some(nonce) = nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    if let Some(auth_time) = authorization.auth_time {
        claims.insert("auth_time".into(), json!(auth_time.unix_timestamp()));
    }
    insert_organization(provider, authorization, &mut claims)?;
    Ok(claims)
}

/// An ID token, with whatever the faults make of it.
pub(crate) fn mint_id_token(
    provider: &Provider,
    authorization: &Authorization,
    nonce: Option<&str>,
    faults: &Faults,
) -> Result<String, TokenError> {
    let mut claims = id_claims(provider, authorization, nonce)?;
    apply(faults, &mut claims, provider);
    sign(provider, "JWT", &claims, Signature::of_faults(faults))
}

fn apply(faults: &Faults, claims: &mut Map<String, Value>, provider: &Provider) {
    let now = provider.now().unix_timestamp();
    let replaced = [
        (faults.wrong_nonce, "nonce", json!("another-nonce")),
        (faults.wrong_audience, "aud", json!("another-application")),
        (faults.wrong_issuer, "iss", json!("https://another-issuer.example/")),
        (faults.expired_id_token, "iat", json!(now - 2 * HOUR)),
        (faults.expired_id_token, "exp", json!(now - HOUR)),
        (faults.issued_in_future, "iat", json!(now + HOUR)),
        (faults.issued_in_future, "exp", json!(now + 2 * HOUR)),
    ];
    for (_, claim, value) in replaced.into_iter().filter(|(is_wrong, ..)| *is_wrong) {
        claims.insert(claim.into(), value);
    }
    if let Some(org) = faults.wrong_org_id() {
        claims.insert("org_id".into(), json!(org));
    }
    let roles_claim = provider.settings.roles_claim.as_str();
    let dropped = [
        (faults.drop_nonce, "nonce"),
        (faults.drop_org_id, "org_id"),
        (faults.drop_org_id, "org_name"),
        (faults.drop_sid, "sid"),
        (faults.drop_roles, roles_claim),
    ];
    for (_, claim) in dropped.into_iter().filter(|(is_dropped, _)| *is_dropped) {
        claims.remove(claim);
    }
}

/// An access token: a JWT for an API, else one that only this provider can read.
pub(crate) fn mint_access_token(
    provider: &Provider,
    authorization: &Authorization,
    lifetime_seconds: i64,
) -> Result<String, TokenError> {
    let Some(audience) = &authorization.audience else {
        return Ok(provider.ledger().issue_opaque_token(authorization.clone(), provider.now()));
    };
    let settings = &provider.settings;
    let now = provider.now().unix_timestamp();
    let mut claims = Map::new();
    let audiences = if authorization.scope.has("openid") {
        json!([audience, settings.endpoint("userinfo")])
    } else {
        json!(audience)
    };
    claims.insert("iss".into(), json!(settings.issuer));
    claims.insert("sub".into(), json!(authorization.subject));
    claims.insert("aud".into(), audiences);
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now + lifetime_seconds));
    claims.insert("scope".into(), json!(authorization.scope.to_string()));
    claims.insert("azp".into(), json!(settings.client_id));
    insert_organization(provider, authorization, &mut claims)?;
    sign(provider, "JWT", &claims, Signature::Rs256)
}

/// What a back-channel logout token names, and how it may be wrong.
#[derive(Debug)]
pub(crate) struct LogoutClaims {
    pub(crate) subject: Option<String>,
    pub(crate) sid: Option<String>,
    pub(crate) jti: Option<String>,
}

/// The claims of a logout token, as Auth0 writes them; valid for two minutes.
pub(crate) fn logout_claims(provider: &Provider, logout: LogoutClaims) -> Map<String, Value> {
    let now = provider.now().unix_timestamp();
    let mut claims = Map::new();
    claims.insert("iss".into(), json!(provider.settings.issuer));
    claims.insert("aud".into(), json!(provider.settings.client_id));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now + 120));
    claims.insert("jti".into(), json!(logout.jti.unwrap_or_else(|| Uuid::new_v4().to_string())));
    claims.insert("trace_id".into(), json!(Uuid::new_v4().simple().to_string()));
    claims.insert(
        "events".into(),
        json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
    );
    if let Some(subject) = logout.subject {
        claims.insert("sub".into(), json!(subject));
    }
    if let Some(sid) = logout.sid {
        claims.insert("sid".into(), json!(sid));
    }
    claims
}

/// Signs claims with the current key, or wrongly.
pub(crate) fn sign(
    provider: &Provider,
    typ: &str,
    claims: &Map<String, Value>,
    signature: Signature,
) -> Result<String, TokenError> {
    let key = provider.current_key();
    let mut header = Header::new(Algorithm::RS256);
    header.typ = Some(typ.to_owned());
    header.kid = Some(key.kid().to_owned());
    match signature {
        Signature::Rs256 => {}
        Signature::UnknownKey => header.kid = Some(Uuid::new_v4().simple().to_string()),
        Signature::Broken => {
            let token = jsonwebtoken::encode(&header, claims, key.encoding())?;
            return Ok(break_signature(token));
        }
        Signature::Hs256 => {
            header.alg = Algorithm::HS256;
            let secret = provider.settings.client_secret.expose().as_bytes();
            return Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))?);
        }
        Signature::None => {
            let head = serde_json::to_vec(&json!({ "alg": "none", "typ": typ }))?;
            let body = serde_json::to_vec(claims)?;
            let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
            return Ok(format!("{}.{}.", encode(&head), encode(&body)));
        }
    }
    Ok(jsonwebtoken::encode(&header, claims, key.encoding())?)
}

/// Changes the first character after the last dot: still base64url, another signature.
fn break_signature(token: String) -> String {
    match token.rsplit_once('.') {
        Some((message, signature)) => {
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            let rest: String = signature.chars().skip(1).collect();
            format!("{message}.{first}{rest}")
        }
        None => token,
    }
}

/// The claims of a token of ours, or `None`. `audience` must be one of its audiences.
pub(crate) fn verify(
    provider: &Provider,
    token: &str,
    audience: &str,
    accepts_expired: bool,
) -> Option<Map<String, Value>> {
    let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
    let key = provider.keys().find(&kid)?.decoding().ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[provider.settings.issuer.as_str()]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Expiry is checked below, against the clock that issued the token.
    validation.validate_exp = false;
    let claims: Map<String, Value> = jsonwebtoken::decode(token, &key, &validation).ok()?.claims;
    let expires_at = claims.get("exp").and_then(Value::as_i64)?;
    let is_live = OffsetDateTime::from_unix_timestamp(expires_at).ok()? > provider.now();
    (is_live || accepts_expired).then_some(claims)
}

/// `sub` and the claims that the profile scopes open, as the directory has them now.
pub(crate) fn profile_claims(
    provider: &Provider,
    authorization: &Authorization,
) -> Result<Map<String, Value>, TokenError> {
    let directory = provider.directory();
    let person = directory
        .find_person(&authorization.subject)
        .ok_or_else(|| TokenError::Gone(authorization.subject.clone()))?;
    let mut claims = Map::new();
    claims.insert("sub".into(), json!(person.subject));
    if authorization.scope.has("profile") {
        let nickname = person.email.split('@').next().unwrap_or_default();
        claims.insert("name".into(), json!(person.name));
        claims.insert("nickname".into(), json!(nickname));
    }
    if authorization.scope.has("email") {
        claims.insert("email".into(), json!(person.email));
        claims.insert("email_verified".into(), json!(true));
    }
    Ok(claims)
}

/// The organization and the roles in it. A person who left it since gets no token.
pub(crate) fn insert_organization(
    provider: &Provider,
    authorization: &Authorization,
    claims: &mut Map<String, Value>,
) -> Result<(), TokenError> {
    let settings = &provider.settings;
    let gone = || TokenError::Gone(authorization.subject.clone());
    let Some(org) = &authorization.org else {
        claims.insert(settings.roles_claim.clone(), json!([]));
        return Ok(());
    };
    let directory = provider.directory();
    let organization = directory.find_organization(org).ok_or_else(gone)?;
    let person = directory.find_person(&authorization.subject).ok_or_else(gone)?;
    let roles = person.roles_in(org).ok_or_else(gone)?;
    claims.insert("org_id".into(), json!(org));
    if settings.organization_names {
        claims.insert("org_name".into(), json!(organization.name.to_lowercase()));
    }
    claims.insert(settings.roles_claim.clone(), json!(roles));
    Ok(())
}

/// Whole seconds of a lifetime.
pub(crate) fn seconds(lifetime: std::time::Duration) -> i64 {
    i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)
}
