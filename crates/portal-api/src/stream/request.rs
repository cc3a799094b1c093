//! Where a stream goes on, and what is watched on it.

use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use event_notifier::{Resume, Subject};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Most subjects whose figures one stream shows.
const MOST_SUBJECTS: usize = 5;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct StreamRequest {
    pub(super) resume: Resume,
    pub(super) subjects: Vec<Subject>,
}

impl StreamRequest {
    /// Figures of what somebody may not see do not come, like those of what is not there. A place
    /// that cannot be read is no mistake of whoever sends it again and again: it is
    /// answered on the stream, with a reset.
    pub(super) fn read(request: &HttpRequest, has_figures: bool) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(request.query_string(), &["since", "metrics"])?;
        let mut faults = Faults::default();
        let since = pairs.single("since", &mut faults);
        let names = pairs.list("metrics", MOST_SUBJECTS, &mut faults);
        if !names.is_empty() && !has_figures {
            faults.add("query:metrics", "unavailable", "there are no figures to watch here");
        }
        let mut subjects = Vec::with_capacity(names.len());
        for name in names {
            match name.parse() {
                Ok(subject) => subjects.push(subject),
                Err(_) => faults.add("query:metrics", "unknown", "is not `all` and not `job:<id>`"),
            }
        }
        if !faults.is_empty() {
            return Err(refused_parameters(faults));
        }
        // An empty id is what a browser has that was never given one.
        let last = request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty());
        let resume = match last {
            Some(value) => resume(value.to_str().ok()),
            None => since.map_or(Resume::AtHead, |since| resume(Some(since))),
        };
        Ok(Self { resume, subjects })
    }
}

fn resume(text: Option<&str>) -> Resume {
    text.and_then(|text| text.parse().ok()).map_or(Resume::Unreadable, Resume::After)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use event_notifier::Cursor;
    use uuid::Uuid;

    use super::*;
    use crate::error::ErrorCode;

    fn read(query: &str, header: Option<&str>) -> Result<StreamRequest, ApiError> {
        let mut request = TestRequest::with_uri(&format!("/api/events/stream?{query}"));
        if let Some(value) = header {
            request = request.insert_header(("last-event-id", value));
        }
        StreamRequest::read(&request.to_http_request(), true)
    }

    #[test]
    fn the_header_goes_before_the_parameter_and_an_empty_one_is_none() {
        let at = |seq| Resume::After(Cursor { epoch: 1, seq });
        for (query, header, expected) in [
            ("", None, Resume::AtHead),
            ("", Some(""), Resume::AtHead),
            ("since=1.4", None, at(4)),
            ("since=1.4", Some(""), at(4)),
            ("since=1.4", Some("1.7"), at(7)),
            ("since=1.4", Some("7"), Resume::Unreadable),
            ("since=", None, Resume::Unreadable),
            ("since=nonsense", None, Resume::Unreadable),
        ] {
            assert_eq!(read(query, header).unwrap().resume, expected, "{query} {header:?}");
        }
        assert_eq!(read("", Some("\u{fc}1.7")).unwrap().resume, Resume::Unreadable);
    }

    #[test]
    fn what_is_watched_is_bounded_and_named() {
        let job = Uuid::from_u128(1);
        let read_subjects = |query: &str| read(query, None).map(|wanted| wanted.subjects);
        let both = read_subjects(&format!("metrics=all,job:{job}")).unwrap();
        assert_eq!(both, [Subject::Tenant, Subject::Job(job)]);
        for query in ["metrics=jobs", "metrics=job:1", "since=1.1&since=1.2", "after=1.1"] {
            let error = read_subjects(query).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidParameter, "{query}");
        }
        let many: Vec<String> = (0..6).map(|n| format!("job:{}", Uuid::from_u128(n))).collect();
        assert!(read_subjects(&format!("metrics={}", many.join(","))).is_err());
    }
}
