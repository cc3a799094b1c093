//! The addresses that an answer may be sent to, compared byte by byte.

use std::collections::BTreeSet;

use url::Url;

const CAPACITY: usize = 1_000;

/// Callback and sign-out addresses of the application.
#[derive(Debug)]
pub(crate) struct AllowList {
    callbacks: BTreeSet<String>,
    logout_urls: BTreeSet<String>,
}

/// The list holds as many addresses as it can.
#[derive(Debug, thiserror::Error)]
#[error("no more than {CAPACITY} addresses can be allowed")]
pub(crate) struct AllowListFull;

impl AllowList {
    /// The list of the command line. Without sign-out addresses, the callbacks' origins are, with
    /// and without the slash at the end.
    pub(crate) fn new(callbacks: &[Url], logout_urls: &[Url]) -> Self {
        let mut list = Self { callbacks: BTreeSet::new(), logout_urls: BTreeSet::new() };
        for callback in callbacks {
            list.callbacks.insert(callback.to_string());
            if logout_urls.is_empty() {
                list.insert_origin(callback);
            }
        }
        for url in logout_urls {
            list.insert_logout_url(url);
        }
        list
    }

    /// Adds a callback, and its origin for sign-outs.
    pub(crate) fn add_callback(&mut self, callback: &Url) -> Result<(), AllowListFull> {
        self.check_room()?;
        self.callbacks.insert(callback.to_string());
        self.insert_origin(callback);
        Ok(())
    }

    /// Adds an address that a sign-out may return to.
    pub(crate) fn add_logout_url(&mut self, url: &Url) -> Result<(), AllowListFull> {
        self.check_room()?;
        self.insert_logout_url(url);
        Ok(())
    }

    /// Whether a code may be sent there.
    pub(crate) fn is_callback(&self, url: &str) -> bool {
        self.callbacks.contains(url)
    }

    /// Whether a sign-out may return there.
    pub(crate) fn is_logout_url(&self, url: &str) -> bool {
        self.logout_urls.contains(url)
    }

    fn insert_origin(&mut self, url: &Url) {
        let origin = url.origin().ascii_serialization();
        self.logout_urls.insert(format!("{origin}/"));
        self.logout_urls.insert(origin);
    }

    fn insert_logout_url(&mut self, url: &Url) {
        if url.path() == "/" && url.query().is_none() {
            self.insert_origin(url);
        } else {
            self.logout_urls.insert(url.to_string());
        }
    }

    fn check_room(&self) -> Result<(), AllowListFull> {
        let is_full = self.callbacks.len() >= CAPACITY || self.logout_urls.len() >= CAPACITY * 2;
        if is_full { Err(AllowListFull) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_exactly() {
        let callback = Url::parse("http://localhost:8080/auth/callback").unwrap();
        let list = AllowList::new(&[callback], &[]);
        assert!(list.is_callback("http://localhost:8080/auth/callback"));
        for refused in [
            "http://localhost:8080/auth/callback/",
            "http://localhost:8080/auth/callback?a=b",
            "http://localhost:8080/auth/Callback",
            "http://127.0.0.1:8080/auth/callback",
            "http://localhost:8080/auth/callback#f",
        ] {
            assert!(!list.is_callback(refused), "{refused}");
        }
        assert!(list.is_logout_url("http://localhost:8080"));
        assert!(list.is_logout_url("http://localhost:8080/"));
        assert!(!list.is_logout_url("http://localhost:8080/elsewhere"));
    }
}
