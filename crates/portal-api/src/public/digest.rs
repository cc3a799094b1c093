//! What tells a repeated application from another one under the same key.

use employer_store::public_board::NewSubmission;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::files::StoredResume;

/// SHA-256 of what was said and of the contents of the file. The bytes of the request will not do:
/// a form has another boundary each time that it is sent.
pub(super) fn digest_of(given: &NewSubmission, resume: Option<&StoredResume>) -> [u8; 32] {
    let said = json!([
        given.email,
        given.name,
        given.phone,
        given.message,
        given.source,
        given.utm,
        given.consent,
        given.locale,
        resume.map(|file| (&file.name, file.sha256)),
    ]);
    Sha256::digest(said.to_string()).into()
}
