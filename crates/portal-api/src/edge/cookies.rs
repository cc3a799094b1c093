//! Cookies of others that would hide ours, or pass for them.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

/// What browsers let nobody but the host itself set. They compare the name as it is written.
const GUARDED: &[u8] = b"__Host-";

/// Drops cookies that the portal did not set and that would be taken for its own.
///
/// - The framework reads all cookies of a request or none, so one that is not UTF-8, set by any
///   site of the same domain, would make the person appear signed out.
/// - It decodes percent signs in names, which browsers do not: `__Host%2Dportal` would be read as
///   a guarded name that any site of the same domain may set, and put a session of its own before
///   the person's. The portal's own names have no such sign.
/// - A browser keeps one cookie of a guarded name. Of two, one is not the browser's, and nobody can
///   tell which.
pub(super) fn drop_foreign(headers: &mut HeaderMap) {
    let sent: Vec<HeaderValue> = headers.get_all(COOKIE).cloned().collect();
    let guarded: Vec<&[u8]> = sent.iter().flat_map(pairs).map(name_of).filter(is_guarded).collect();
    let is_ours = |pair: &&[u8]| {
        let name = name_of(pair);
        std::str::from_utf8(pair).is_ok()
            && !name.contains(&b'%')
            && guarded.iter().filter(|other| **other == name).count() < 2
    };
    if sent.iter().flat_map(pairs).all(|pair| is_ours(&pair)) {
        return;
    }
    headers.remove(COOKIE);
    for value in &sent {
        let kept: Vec<&[u8]> = pairs(value).filter(is_ours).collect();
        if let Ok(value) = HeaderValue::from_bytes(&kept.join(&b';')) {
            headers.append(COOKIE, value);
        }
    }
}

fn pairs(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';')
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn is_guarded(name: &&[u8]) -> bool {
    name.starts_with(GUARDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(values: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        drop_foreign(&mut headers);
        let left = headers.get_all(COOKIE).map(|value| value.to_str().unwrap_or("?").to_owned());
        left.collect()
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_with_it() {
        let left = left_of(&[b"a=1; b=\xe9; c=3", b"\xff", b"d=4"]);
        assert_eq!(left, ["a=1; c=3", "", "d=4"]);
    }

    #[test]
    fn a_guarded_name_is_guarded_in_one_spelling() {
        for other in [
            "__Host%2Dportal=x",
            "__Host%2dportal=x",
            "%5f_Host-portal=x",
            " __Host-porta%6c =x",
            "__Host-portal%5Ftx_1=x",
        ] {
            let ours = format!("{other}; __Host-portal=ours");
            assert_eq!(left_of(&[ours.as_bytes()]), [" __Host-portal=ours"], "{other}");
            assert_eq!(left_of(&[other.as_bytes()]), [""], "{other}");
        }
        assert_eq!(left_of(&[b"a=%2D; __Host-portal=a%3D"]), ["a=%2D; __Host-portal=a%3D"]);
    }

    #[test]
    fn of_two_with_a_guarded_name_neither_counts() {
        let both: &[&[u8]] = &[b"__Host-portal=1; b=2", b"__Host-portal =3"];
        assert_eq!(left_of(both), [" b=2", ""]);
        assert_eq!(left_of(&[b"b=1; b=2"]), ["b=1; b=2"]);
    }
}
