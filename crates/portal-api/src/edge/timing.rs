//! What a request has waited for, told to developers.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds how long the request waited for Redis, in the field's standard header, which browsers show
/// beside their own measurements.
pub(super) fn tell(headers: &mut HeaderMap, redis: Duration) {
    let text = format!("redis;dur={:.3}", redis.as_secs_f64() * 1_000.0);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(SERVER_TIMING, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds() {
        let mut headers = HeaderMap::new();
        tell(&mut headers, Duration::from_micros(1_234));
        tell(&mut headers, Duration::from_secs(1));
        let told: Vec<&[u8]> = headers.get_all(SERVER_TIMING).map(HeaderValue::as_bytes).collect();
        assert_eq!(told, [b"redis;dur=1.234".as_slice(), b"redis;dur=1000.000".as_slice()]);
    }
}
