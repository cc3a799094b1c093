//! Bodies of jobs.

use serde_json::{Value, json};

/// A job that can be published as it is.
pub fn nurse() -> Value {
    json!({
        "title": "Registered Nurse",
        "description": "Care for patients on a surgical ward.\n\n- Night shifts\n- Handover",
        "department": "Surgery",
        "employment_type": "full_time",
        "experience_level": "mid",
        "workplace": "onsite",
        "locations": [{ "country": "US", "region": "Colorado", "city": "Denver" }],
        "skills": ["patient care", "wound dressing"],
        "salary": { "min": 7_200_000, "max": 9_600_000, "currency": "USD", "period": "year" },
        "openings": 2
    })
}

/// The same with another title.
pub fn titled(title: &str) -> Value {
    let mut job = nurse();
    job["title"] = json!(title);
    job
}
