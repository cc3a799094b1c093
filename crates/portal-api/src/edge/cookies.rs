//! Cookies of others that would hide ours.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

/// Drops cookies that are not UTF-8. The framework reads all cookies of a request or none, so one
/// such cookie, set by any site of the same domain, would make the person appear signed out.
pub(super) fn drop_unreadable(headers: &mut HeaderMap) {
    let is_readable = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if headers.get_all(COOKIE).all(|value| is_readable(value.as_bytes())) {
        return;
    }
    let sent: Vec<HeaderValue> = headers.remove(COOKIE).collect();
    for value in sent {
        let cookies = value.as_bytes().split(|byte| *byte == b';');
        let readable: Vec<&[u8]> = cookies.filter(|cookie| is_readable(cookie)).collect();
        if let Ok(value) = HeaderValue::from_bytes(&readable.join(&b';')) {
            headers.append(COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_takes_nothing_with_it() {
        let mut headers = HeaderMap::new();
        for value in [b"a=1; b=\xe9; c=\xc3\xa9".as_slice(), b"\xff".as_slice(), b"d=4".as_slice()]
        {
            headers.append(COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        drop_unreadable(&mut headers);
        let left: Vec<&[u8]> = headers.get_all(COOKIE).map(HeaderValue::as_bytes).collect();
        assert_eq!(left, [b"a=1; c=\xc3\xa9".as_slice(), b"".as_slice(), b"d=4".as_slice()]);
    }
}
