//! Which rules a request is under.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage as _, HttpRequest, web};
use sha2::{Digest as _, Sha256};
use tenancy::{Actor, UserId};

use super::{Quotas, RateLimits, Rule, Subject, Verdict};
use crate::auth::Principal;
use crate::edge::Client;
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// Takes a request in, or refuses it, by the address that it comes from: before its session is
/// looked up. Only what may cost something is counted.
pub(crate) async fn admit_arrival(
    request: &ServiceRequest,
    client: Client,
    limits: &RateLimits,
) -> Result<(), ApiError> {
    let path = request.path();
    let is_counted = ["/api/", "/auth/", "/public/"].iter().any(|part| path.starts_with(part));
    let Some(address) = client.address.filter(|_| is_counted) else { return Ok(()) };
    let subject = network_of(address);
    let quotas = request.extensions().get::<Quotas>().cloned().unwrap_or_default();
    take(&quotas, limits.admit(Rule::Address, subject))?;
    if matches!(path, "/auth/login" | "/auth/callback") {
        take(&quotas, limits.admit_exactly(Rule::SignIn, subject).await)?;
    }
    Ok(())
}

/// Takes a request of somebody who is known, or refuses it.
pub(crate) fn admit_caller(request: &HttpRequest, caller: &Principal) -> Result<(), ApiError> {
    let Some(state) = request.app_data::<web::Data<PortalState>>() else { return Ok(()) };
    let quotas = request.extensions().get::<Quotas>().cloned().unwrap_or_default();
    let own = match &caller.actor {
        Actor::Member { user, .. } => Some((Rule::User, user.as_uuid().as_u128())),
        Actor::ApiKey { key, .. } => Some((Rule::ApiKey, key.as_uuid().as_u128())),
        Actor::Machine(client) => Some((Rule::ApiKey, digest_of(client))),
        Actor::Operator { operator, .. } => Some((Rule::User, operator.as_uuid().as_u128())),
        Actor::System(_) => None,
    };
    if let Some((rule, subject)) = own {
        take(&quotas, state.rate_limits.admit(rule, subject))?;
    }
    let tenant = caller.scope.tenant().as_uuid().as_u128();
    take(&quotas, state.rate_limits.admit(Rule::Tenant, tenant))
}

/// The same for an operator of the platform.
pub(crate) fn admit_operator(request: &HttpRequest, user: UserId) -> Result<(), ApiError> {
    let Some(state) = request.app_data::<web::Data<PortalState>>() else { return Ok(()) };
    let quotas = request.extensions().get::<Quotas>().cloned().unwrap_or_default();
    take(&quotas, state.rate_limits.admit(Rule::User, user.as_uuid().as_u128()))
}

/// A name as a subject.
pub(crate) fn digest_of(name: &impl ToString) -> Subject {
    let digest = Sha256::digest(name.to_string());
    digest.iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

/// Notes a verdict, and refuses if it says so.
pub(crate) fn take(quotas: &Quotas, verdict: Option<Verdict>) -> Result<(), ApiError> {
    let Some(verdict) = verdict else { return Ok(()) };
    quotas.note(verdict);
    match verdict.refusal {
        None => Ok(()),
        Some(_) => Err(too_many(verdict)),
    }
}

/// The answer to a request too many.
pub(crate) fn too_many(verdict: Verdict) -> ApiError {
    let whose = match verdict.rule {
        Rule::Address => "Your address asks too often.",
        Rule::ViewAddress => "Too many views come from your address.",
        Rule::SignIn => "Too many sign-ins come from your address.",
        Rule::User => "You ask too often.",
        Rule::ApiKey => "The key or token is used too often.",
        Rule::ApplyAddress => "Too many applications come from your address.",
        Rule::ApplyPerson => "This person has applied very often just now.",
        Rule::ApplyBoard => "Very many people are applying right now.",
        Rule::Tenant => "Your organization asks too often.",
        Rule::CacheReads | Rule::CacheWrites | Rule::CacheRefused => {
            "The cache of your organization was asked for too often."
        }
    };
    let error = ApiError::new(ErrorCode::TooManyRequests, whose);
    match verdict.refusal {
        Some(refusal) => error.with_retry_after(refusal.retry_after),
        None => error,
    }
}

/// The part of an address that one subscriber has: all of IPv4, 64 bits of IPv6.
pub(crate) fn network_of(address: IpAddr) -> Subject {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        // Never the bits of an IPv4 address: those have 32.
        IpAddr::V6(address) => (address.to_bits() >> 64) | (1 << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_subscriber() {
        let of = |address: &str| network_of(address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
        assert_eq!(of("::ffff:203.0.113.1"), of("203.0.113.1"));
        assert_ne!(of("::1"), of("0.0.0.1"));
    }
}
