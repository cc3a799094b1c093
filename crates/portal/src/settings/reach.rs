//! Who may reach the portal, and through whom.

use std::fmt::Display;
use std::str::FromStr;

use portal_api::Reach;

use super::faults::Faults;
use super::tuning::Tuning;

/// Reads the lists; each that is wrong is a fault.
pub(super) fn read(tuning: &Tuning, faults: &mut Faults) -> Option<Reach> {
    let http = &tuning.http;
    let allowed_origins = list("http.allowed_origins", &http.allowed_origins, faults);
    let trusted_proxies = list("http.trusted_proxies", &http.trusted_proxies, faults);
    let admitted = list("http.allow_from", &http.allow_from, faults);
    let admitted_to_keys = list("cache.keys_allow_from", &tuning.cache.keys_allow_from, faults);
    Some(Reach {
        allowed_origins: allowed_origins?,
        trusted_proxies: trusted_proxies?,
        admitted: admitted?,
        admitted_to_keys: admitted_to_keys?,
    })
}

fn list<T: FromStr<Err: Display>>(name: &str, text: &str, faults: &mut Faults) -> Option<T> {
    text.parse().map_err(|error: T::Err| faults.add(name, format!("cannot be used: {error}"))).ok()
}
