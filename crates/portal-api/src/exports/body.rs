//! What an export is asked for with: the parameters of reports, in a body.

use employer_store::analytics::{Grain, Question};
use serde_json::{Map, Value};
use tenancy::JobView;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::analytics::query::{KEYS, Parameters};
use crate::error::{ApiError, ErrorCode, Faults, FieldError};
use crate::jobs::fields::{Fields, TextRule};

const GRAIN: &str = "grain";

/// Longest text that any of them is.
const TEXT: TextRule = TextRule::line(1, 64);

/// What a file of figures is to be of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; a test holds it to what is read")]
pub(crate) struct ExportDraft {
    /// One job only; 404 where there is none.
    #[schema(nullable = false)]
    job: Option<Uuid>,
    /// Those only who came from there; `-` for those of whom nobody knows.
    #[schema(max_length = 50, nullable = false, example = "newsletter")]
    source: Option<String>,
    /// The first day; 30 days up to the last one where it is absent.
    #[schema(nullable = false, example = "2026-10-01")]
    from: Option<String>,
    /// The last day; today where it is absent.
    #[schema(nullable = false, example = "2026-10-31")]
    to: Option<String>,
    /// The zone of the days (IANA); the organization's where it is absent.
    #[schema(max_length = 64, nullable = false, example = "Europe/Berlin")]
    tz: Option<String>,
    /// The step; `day` where it is absent.
    #[schema(nullable = false)]
    grain: Option<Grain>,
}

/// Reads a body; every fault is named.
pub(super) fn read(
    object: &Map<String, Value>,
    view: JobView,
    now: OffsetDateTime,
) -> Result<(Question, Grain), ApiError> {
    let mut faults = Faults::default();
    let fields = Fields::of_body(object);
    let known = [KEYS.as_slice(), &[GRAIN]].concat();
    fields.refuse_others(&known, &[], &mut faults);
    let mut texts = Vec::new();
    for name in known {
        if let Some(text) = fields.text(name, TEXT, &mut faults).optional() {
            texts.push((name.to_owned(), text));
        }
    }
    let mut parameters = Parameters::of_texts(texts);
    let grain = parameters.word::<Grain>(GRAIN).unwrap_or(Grain::Day);
    match parameters.question(view, grain.most_days(), now) {
        Ok(asked) if faults.is_empty() => Ok((asked.into_question(), grain)),
        Ok(_) => Err(refused(faults.into_vec())),
        Err(error) => {
            let mut all = faults.into_vec();
            all.extend(error.errors().iter().map(in_body));
            Err(refused(all))
        }
    }
}

/// The same fault, where it is in a body.
fn in_body(fault: &FieldError) -> FieldError {
    let pointer = match fault.pointer.strip_prefix("query:") {
        Some(name) => format!("#/{name}"),
        None => fault.pointer.clone(),
    };
    FieldError { pointer, ..fault.clone() }
}

fn refused(faults: Vec<FieldError>) -> ApiError {
    ApiError::new(ErrorCode::ValidationFailed, "See errors for what is wrong.").with_fields(faults)
}

#[cfg(test)]
mod tests {
    use employer_store::analytics::OfSource;
    use serde_json::json;
    use time::macros::{date, datetime};
    use utoipa::PartialSchema as _;

    use super::*;

    fn ask(body: &Value) -> Result<(Question, Grain), ApiError> {
        let now = datetime!(2026-11-22 12:00 UTC);
        read(body.as_object().unwrap(), JobView::All, now)
    }

    #[test]
    fn a_body_says_what_a_query_says() {
        let (question, grain) = ask(&json!({
            "from": "2026-10-01", "to": "2026-10-31", "tz": "europe/berlin", "source": "-",
            "grain": "week", "job": null,
        }))
        .unwrap();
        assert_eq!(
            (question.from, question.to),
            (Some(date!(2026 - 10 - 01)), Some(date!(2026 - 10 - 31)))
        );
        assert_eq!(question.zone.unwrap().name(), "Europe/Berlin");
        assert_eq!((question.source, grain), (OfSource::Unknown, Grain::Week));
        let (question, grain) = ask(&json!({})).unwrap();
        assert_eq!((question.from, question.job, grain), (None, None, Grain::Day));
    }

    #[test]
    fn faults_are_named_all_at_once() {
        let refused = ask(&json!({
            "job": 7, "source": "A b", "tz": "Nowhere", "from": "2026-02-30", "grain": "minute",
            "format": "xlsx",
        }))
        .unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ValidationFailed);
        let mut pointers: Vec<&str> =
            refused.errors().iter().map(|error| error.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["#/format", "#/from", "#/grain", "#/job", "#/source", "#/tz"]);
        let too_many = json!({ "grain": "hour", "from": "2026-01-01", "to": "2026-03-01" });
        assert_eq!(ask(&too_many).unwrap_err().errors()[0].pointer, "#/from");
    }

    #[test]
    fn every_field_is_described() {
        let schema = serde_json::to_value(ExportDraft::schema()).unwrap();
        let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let mut known = [KEYS.as_slice(), &[GRAIN]].concat();
        known.sort_unstable();
        let mut described: Vec<&str> = described.into_iter().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!(described, known);
    }
}
