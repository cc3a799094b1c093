//! `portal cache rotate-keys`.

use sealing::{KeyRing, fresh_key};
use secrecy::ExposeSecret as _;
use tenancy::{Clock as _, SystemClock};
use tenant_cache::registry::LONGEST_TTL;

use super::{CommandError, say};
use crate::settings::{CACHE_KEYS, Variables, load_cache_keys};

/// Prints a fresh key, and the steps by which it takes the place of the others without a miss.
///
/// The keys in use are not printed; who runs this knows where they are kept.
pub(crate) fn rotate_keys(variables: &Variables) -> Result<(), CommandError> {
    let ring = load_cache_keys(variables)?;
    let id = free_id(&SystemClock.now().date().to_string(), ring.as_ref());
    let key = fresh_key(&id).map_err(CommandError::FreshKey)?;
    say(instructions(key.expose_secret(), ring.as_ref()))
}

/// The day, with a number where the day has a key already.
fn free_id(day: &str, ring: Option<&KeyRing>) -> String {
    let is_taken = |id: &str| ring.is_some_and(|ring| ring.ids().any(|taken| taken == id));
    let numbered = (2_u8..).map(|number| format!("{day}-{number}"));
    let mut names = std::iter::once(day.to_owned()).chain(numbered);
    names.find(|id| !is_taken(id)).unwrap_or_else(|| day.to_owned())
}

fn instructions(key: &str, ring: Option<&KeyRing>) -> String {
    let Some(ring) = ring else {
        return format!(
            "{CACHE_KEYS} is not set here. If no instance has keys yet, give this one to all of \
             them; else run this command with the keys that they have.\n\n  {CACHE_KEYS}={key}"
        );
    };
    let minutes = LONGEST_TTL.as_secs().div_ceil(60);
    let (newest, ids) = (ring.newest_id(), ring.ids().collect::<Vec<_>>().join(", "));
    format!(
        "A new key. It is kept nowhere yet; {CACHE_KEYS} now has {ids}, of which {newest} seals.\n\
         \n  {key}\n\n\
         1. Put it behind the others and roll the instances, so that all can open what it seals:\n\
         \n     {CACHE_KEYS}=<as it is>,{key}\n\n\
         2. Move it to the front and roll them again. It seals from now on; what others have sealed \
         is opened,\n   and sealed anew when it is read:\n\
         \n     {CACHE_KEYS}={key},<as it was before step 1>\n\n\
         3. {minutes} minutes later nothing that is still valid was sealed by the others. Take them \
         away:\n\
         \n     {CACHE_KEYS}={key}\n\n\
         If a key has become known to somebody, go to step 3 at once: what it has sealed is then \
         loaded anew."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "2026-11-22:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,\
                        old:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=";

    #[test]
    fn a_key_is_named_after_the_day_and_never_after_another() {
        let ring = KeyRing::parse(&KEYS.into()).unwrap();
        assert_eq!(free_id("2026-11-22", None), "2026-11-22");
        assert_eq!(free_id("2026-11-22", Some(&ring)), "2026-11-22-2");
        assert_eq!(free_id("2026-11-23", Some(&ring)), "2026-11-23");
    }

    #[test]
    fn the_steps_are_told_without_the_keys_in_use() {
        let ring = KeyRing::parse(&KEYS.into()).unwrap();
        let text = instructions("2026-11-23:FRESH", Some(&ring));
        assert!(text.contains("has 2026-11-22, old, of which 2026-11-22 seals"), "{text}");
        assert!(
            text.contains("\n     CACHE_ENCRYPTION_KEYS=2026-11-23:FRESH,<as it was"),
            "{text}"
        );
        assert!(text.contains("3. 15 minutes later"), "{text}");
        assert!(!text.contains("AAAA") && !text.contains("BBBB"), "{text}");
        let first = instructions("2026-11-23:FRESH", None);
        assert!(first.contains("\n  CACHE_ENCRYPTION_KEYS=2026-11-23:FRESH"), "{first}");
    }
}
