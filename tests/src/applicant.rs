//! Somebody who applies: with a form, as a page sends it.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::client::{Answer, Browser};

/// The separator of the parts; it is in none of them.
const BOUNDARY: &str = "----portal-tests-7f1c2d";

/// A form with texts and at most one file.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<u8>);

impl Form {
    /// What every application has.
    pub fn of(email: &str) -> Self {
        Self::default().with("name", "Ada Example").with("email", email)
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        self.part(&head, value.as_bytes());
        self
    }

    /// The same with a file.
    #[must_use]
    pub fn with_file(mut self, name: &str, content: &[u8]) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"resume\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream"
        );
        self.part(&head, content);
        self
    }

    /// The body as it is sent.
    pub fn body(&self) -> Vec<u8> {
        let mut body = self.0.clone();
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    /// Its media type.
    pub fn media_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    fn part(&mut self, head: &str, content: &[u8]) {
        self.0.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
    }
}

/// A small file that says it is a PDF.
pub fn pdf() -> Vec<u8> {
    b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n".to_vec()
}

/// Sends a form to a board; without cookies, as from another page.
pub async fn sends(portal: &Browser, board: &str, job: &str, form: &Form) -> Answer {
    sends_with(portal, board, job, form, &[]).await
}

/// The same with further headers.
pub async fn sends_with(
    portal: &Browser,
    board: &str,
    job: &str,
    form: &Form,
    headers: &[(&str, &str)],
) -> Answer {
    let path = format!("/public/boards/{board}/jobs/{job}/apply");
    let mut request = Browser::new(portal.base_url())
        .request(Method::POST, &path)
        .header(CONTENT_TYPE, Form::media_type())
        .body(form.body());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    portal.send(request).await
}

/// Applies with a résumé, and is told so.
pub async fn applies(portal: &Browser, board: &str, job: &str, email: &str) -> Answer {
    let form = Form::of(email).with_file("Ada Example.pdf", &pdf());
    sends(portal, board, job, &form).await.expect(202)
}
