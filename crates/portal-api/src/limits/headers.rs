//! `RateLimit` and `RateLimit-Policy`: what is left, told before it is used up.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Verdict;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the rules said to one request, in the order in which they were asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotas(Rc<RefCell<Vec<Verdict>>>);

impl Quotas {
    /// Notes what a rule said.
    pub(crate) fn note(&self, verdict: Verdict) {
        if let Ok(mut verdicts) = self.0.try_borrow_mut() {
            verdicts.push(verdict);
        }
    }

    /// Says it in the form of draft-ietf-httpapi-ratelimit-headers-10: lists of structured fields,
    /// one item a policy.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let verdicts = self.0.borrow();
        if verdicts.is_empty() {
            return;
        }
        let (mut policies, mut limits) = (String::new(), String::new());
        for (index, verdict) in verdicts.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let Verdict { quota, remaining, .. } = verdict;
            let (name, window) = (verdict.rule.as_str(), verdict.window.as_secs());
            // Rounded up: whoever waits as long as it says finds it so.
            let reset = verdict.reset.as_millis().div_ceil(1_000);
            // Writing to a text does not fail.
            let _ = write!(policies, "{separator}\"{name}\";q={quota};w={window}");
            let _ = write!(limits, "{separator}\"{name}\";r={remaining};t={reset}");
        }
        for (name, text) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, limits)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{MINUTE, Rule};
    use super::*;

    #[test]
    fn policies_are_items_of_a_list() {
        let quotas = Quotas::default();
        let mut headers = HeaderMap::new();
        quotas.tell(&mut headers);
        assert!(headers.is_empty());
        for (rule, remaining) in [(Rule::Address, 599), (Rule::User, 7)] {
            let reset = Duration::from_millis(1_200);
            let window = MINUTE;
            quotas.note(Verdict { rule, quota: 600, window, remaining, reset, refusal: None });
        }
        quotas.tell(&mut headers);
        let policy = "\"address\";q=600;w=60, \"user\";q=600;w=60";
        assert_eq!(headers.get("ratelimit-policy").unwrap(), policy);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"address\";r=599;t=2, \"user\";r=7;t=2");
    }
}
