//! Tokens that the application gets in its own name: for the Management API, or for another API.

use serde_json::{Map, Value, json};

use crate::authorization_request::Scope;
use crate::error::OAuthError;
use crate::faults::Place;
use crate::parameters::Parameters;
use crate::provider::{Provider, delay};
use crate::tokens::{self, Signature};

/// What the application may do with the Management API, as its client grant says.
pub(crate) const MANAGEMENT_SCOPES: [&str; 13] = [
    "read:organizations",
    "read:users",
    "read:roles",
    "read:organization_members",
    "create:organization_members",
    "delete:organization_members",
    "read:organization_member_roles",
    "create:organization_member_roles",
    "delete:organization_member_roles",
    "read:organization_invitations",
    "create:organization_invitations",
    "delete:organization_invitations",
    "read:organization_member_effective_roles",
];

/// The identifier of the Management API; it ends with a slash.
pub(crate) fn management_audience(provider: &Provider) -> String {
    provider.settings.endpoint("api/v2/")
}

/// Grants a token for `audience`. An `organization` makes it one of that organization.
pub(crate) async fn grant(
    provider: &Provider,
    parameters: &Parameters,
) -> Result<Map<String, Value>, OAuthError> {
    let client = provider.settings.client_id.clone();
    let subject = format!("{client}@clients");
    let faults = provider.take_faults(Place::Token, Some(&subject));
    delay(faults.token_delay_ms).await;
    if let Some(status) = faults.token_status {
        return Err(OAuthError::outage(status));
    }
    let audience = parameters
        .get("audience")
        .ok_or_else(|| OAuthError::invalid_request("Missing required parameter: audience"))?;
    let is_management = audience == management_audience(provider);
    if !is_management && !provider.settings.is_audience(audience) {
        return Err(OAuthError::access_denied(format!("Service not enabled: {audience}")));
    }
    let asked = parameters.get("scope").map(Scope::parse);
    let scope = if is_management {
        let granted = Scope::parse(&MANAGEMENT_SCOPES.join(" "));
        match asked {
            Some(asked) if !granted.contains(&asked) => {
                return Err(OAuthError::access_denied("Client has not been granted scopes"));
            }
            asked => asked.unwrap_or(granted),
        }
    } else {
        asked.unwrap_or_else(|| Scope::parse(""))
    };
    let seconds = faults
        .access_token_seconds
        .map_or_else(|| tokens::seconds(provider.settings.access_token_lifetime), i64::from);
    let now = provider.now().unix_timestamp();
    let mut claims = Map::new();
    claims.insert("iss".into(), json!(provider.settings.issuer));
    claims.insert("sub".into(), json!(subject));
    claims.insert("aud".into(), json!(audience));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now + seconds));
    claims.insert("scope".into(), json!(scope.to_string()));
    claims.insert("gty".into(), json!("client-credentials"));
    claims.insert("azp".into(), json!(client));
    if let Some(organization) = parameters.get("organization") {
        let known = organization
            .parse()
            .ok()
            .filter(|org| !is_management && provider.directory().find_organization(org).is_some());
        let org = known
            .ok_or_else(|| OAuthError::invalid_request("parameter organization is invalid"))?;
        claims.insert("org_id".into(), json!(org));
    }
    let token = tokens::sign(provider, "JWT", &claims, Signature::Rs256)
        .map_err(|error| OAuthError::internal(&error))?;
    let mut answer = Map::new();
    answer.insert("access_token".into(), json!(token));
    answer.insert("scope".into(), json!(scope.to_string()));
    answer.insert("expires_in".into(), json!(seconds));
    answer.insert("token_type".into(), json!("Bearer"));
    Ok(answer)
}
