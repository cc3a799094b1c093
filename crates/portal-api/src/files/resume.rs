//! Résumés: told by what they contain, bounded, hashed, and on to the file store as they come.

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tenancy::TenantId;
use uuid::Uuid;

use super::keeping::Arriving;
use super::{FileError, Files, Unclaimed};

/// How much of a file is looked at before any of it is kept.
const HEAD_BYTES: usize = 512;
/// Longest name that is kept, in characters.
const MAX_NAME_CHARS: usize = 120;

const PDF: &[u8] = b"%PDF-";
/// The container of Word before 2007.
const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// The first entry of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// Where the name of that entry is: behind a header of this size, which ends in two lengths.
const ZIP_NAME_AT: usize = 30;
const ZIP_NAME_LENGTH_AT: usize = 26;
/// What the first entry of a Word document is called.
const DOCX_ENTRIES: [&[u8]; 4] = [b"[Content_Types].xml", b"_rels/", b"word/", b"docProps/"];

/// What a résumé may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pdf,
    Doc,
    Docx,
}

impl Form {
    /// By the first bytes; whatever the name or the sender says.
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(PDF) {
            return Some(Self::Pdf);
        }
        if head.starts_with(OLE) {
            return Some(Self::Doc);
        }
        if !head.starts_with(ZIP) {
            return None;
        }
        let length = head.get(ZIP_NAME_LENGTH_AT..ZIP_NAME_LENGTH_AT + 2)?;
        let length = usize::from(u16::from_le_bytes(length.try_into().ok()?));
        let name = head.get(ZIP_NAME_AT..ZIP_NAME_AT + length)?;
        DOCX_ENTRIES.iter().any(|entry| name.starts_with(entry)).then_some(Self::Docx)
    }

    const fn mime(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Doc => "application/msword",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Doc => "doc",
            Self::Docx => "docx",
        }
    }
}

/// Why a file is no résumé, or could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error("the file is empty")]
    Empty,
    #[error("the file is larger than allowed")]
    TooLarge,
    #[error("the file is neither PDF nor Word")]
    UnknownForm,
    #[error("the file could not be kept")]
    Store(#[from] FileError),
}

/// A résumé that is in the file store, until somebody drops this without claiming it.
pub(crate) struct StoredResume {
    pub(crate) file: Unclaimed,
    pub(crate) id: Uuid,
    pub(crate) storage_key: String,
    pub(crate) name: String,
    pub(crate) mime: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Takes a file in, chunk by chunk. Nothing of it is kept before its first bytes have told what it
/// is, and never more than what was allowed. What came of one that is dropped is taken back.
pub(crate) struct ResumeReader<'a> {
    files: &'a Files,
    id: Uuid,
    key: String,
    most: u64,
    head: BytesMut,
    bytes: u64,
    hash: Sha256,
    upload: Option<(Form, Arriving)>,
}

impl<'a> ResumeReader<'a> {
    pub(crate) fn new(files: &'a Files, tenant: TenantId, most: u64) -> Self {
        let id = Uuid::now_v7();
        Self {
            files,
            id,
            key: format!("resumes/{}/{}", tenant.as_uuid().simple(), id.simple()),
            most,
            head: BytesMut::new(),
            bytes: 0,
            hash: Sha256::new(),
            upload: None,
        }
    }

    /// Takes the next chunk.
    pub(crate) async fn take(&mut self, chunk: Bytes) -> Result<(), ResumeError> {
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        if self.bytes > self.most {
            return Err(ResumeError::TooLarge);
        }
        self.hash.update(&chunk);
        if let Some((_, upload)) = &mut self.upload {
            return Ok(upload.write(chunk).await?);
        }
        self.head.extend_from_slice(&chunk);
        if self.head.len() >= HEAD_BYTES {
            self.begin().await?;
        }
        Ok(())
    }

    /// All of it has come.
    pub(crate) async fn finish(mut self, name: Option<&str>) -> Result<StoredResume, ResumeError> {
        if self.bytes == 0 {
            return Err(ResumeError::Empty);
        }
        if self.upload.is_none() {
            self.begin().await?;
        }
        let Some((form, upload)) = self.upload.take() else {
            return Err(ResumeError::UnknownForm);
        };
        Ok(StoredResume {
            file: upload.finish().await?,
            id: self.id,
            storage_key: self.key,
            name: safe_name(name, form.extension()),
            mime: form.mime(),
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
        })
    }

    async fn begin(&mut self) -> Result<(), ResumeError> {
        let form = Form::of(&self.head).ok_or(ResumeError::UnknownForm)?;
        let mut upload = self.files.begin(self.id, &self.key).await?;
        upload.write(self.head.split().freeze()).await?;
        self.upload = Some((form, upload));
        Ok(())
    }
}

/// The name that a file is shown and given out under: its last part, without what could steer a
/// header, a path or a reader, and with the ending that fits what it contains.
fn safe_name(given: Option<&str>, extension: &str) -> String {
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    // Controls hide, and marks of direction turn `fdp.exe` into `exe.pdf`.
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            && !matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?')
    };
    let name: String = last.chars().filter(is_shown).collect();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let stem: String = stem.trim_matches([' ', '.']).chars().take(MAX_NAME_CHARS).collect();
    if stem.is_empty() { format!("resume.{extension}") } else { format!("{stem}.{extension}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_what_they_contain() {
        let zip = |name: &[u8]| {
            let mut head = ZIP.to_vec();
            head.resize(ZIP_NAME_LENGTH_AT, 0);
            head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            head.extend([0, 0]);
            head.extend(name);
            head
        };
        assert_eq!(Form::of(b"%PDF-1.7\n"), Some(Form::Pdf));
        assert_eq!(Form::of(OLE), Some(Form::Doc));
        assert_eq!(Form::of(&zip(b"[Content_Types].xml")), Some(Form::Docx));
        assert_eq!(Form::of(&zip(b"word/document.xml")), Some(Form::Docx));
        for other in [&b"MZ\x90"[..], b"<html>", b"", b"%PDF", b" %PDF-1.7", ZIP, &zip(b"run.exe")]
        {
            assert_eq!(Form::of(other), None, "{other:?}");
        }
        let mut cut_short = zip(b"word/document.xml");
        cut_short.truncate(ZIP_NAME_AT + 4);
        assert_eq!(Form::of(&cut_short), None);
    }

    #[test]
    fn names_are_made_harmless() {
        for (given, expected) in [
            (None, "resume.pdf"),
            (Some("Ada Lovelace.pdf"), "Ada Lovelace.pdf"),
            (Some("cv.exe"), "cv.pdf"),
            (Some("../../etc/passwd"), "passwd.pdf"),
            (Some("C:\\Users\\ada\\cv.docx"), "cv.pdf"),
            (Some("a\r\nSet-Cookie: x.pdf"), "aSet-Cookie x.pdf"),
            (Some("cv\u{202e}fdp.exe"), "cvfdp.pdf"),
            (Some("\"cv\".pdf"), "cv.pdf"),
            (Some("..."), "resume.pdf"),
            (Some("履歴書.pdf"), "履歴書.pdf"),
        ] {
            assert_eq!(safe_name(given, "pdf"), expected, "{given:?}");
        }
        assert_eq!(safe_name(Some(&"x".repeat(500)), "pdf").len(), MAX_NAME_CHARS + 4);
    }
}
