//! Objects, uploads, and what calls do to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::fault::Operation;
use crate::http::{Request, Response};
use crate::now;
use crate::routes::Call;
use crate::signature::sha256;
use crate::xml;

/// Least size of a part that is not the last.
const PART_BYTES: usize = 5 << 20;

#[derive(Debug)]
struct Object {
    content: Vec<u8>,
    modified: OffsetDateTime,
}

impl Object {
    fn tag(&self) -> String {
        tag(&self.content)
    }
}

fn tag(content: &[u8]) -> String {
    format!("\"{}\"", sha256(content).get(..32).unwrap_or_default())
}

/// An upload in parts.
#[derive(Debug, Default)]
struct Upload {
    key: String,
    parts: BTreeMap<u32, Vec<u8>>,
}

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    begun: u64,
    /// Most objects in a page of a list.
    pub(crate) page: usize,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), uploads: BTreeMap::new(), begun: 0, page: 1_000 }
    }
}

impl Bucket {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.uploads.len()
    }

    pub(crate) fn put(&mut self, key: &str, content: Vec<u8>, modified: OffsetDateTime) {
        self.objects.insert(key.to_owned(), Object { content, modified });
    }

    pub(crate) fn lose(&mut self, key: &str) {
        self.objects.remove(key);
    }

    pub(crate) fn carry_out(&mut self, call: &Call, request: &Request) -> Response {
        match call.operation {
            Operation::Put => {
                self.put(&call.key, request.body.clone(), now());
                Response::new(200).with("etag", tag(&request.body))
            }
            Operation::Get | Operation::Head => self.give(call, request),
            Operation::Delete if call.key.is_empty() => self.delete_many(request),
            Operation::Delete => {
                self.objects.remove(&call.key);
                Response::new(204)
            }
            Operation::List => self.list(call),
            Operation::Begin => self.begin(call),
            Operation::Part => self.take_part(call, request),
            Operation::Complete => self.complete(call, request),
            Operation::Abort => match self.uploads.remove(call.parameter("uploadId")) {
                Some(_) => Response::new(204),
                None => xml::refusal(404, "NoSuchUpload", ""),
            },
        }
    }

    fn give(&self, call: &Call, request: &Request) -> Response {
        let Some(object) = self.objects.get(&call.key) else {
            return xml::refusal(404, "NoSuchKey", &format!("<Key>{}</Key>", call.key));
        };
        if request.header("if-match").is_some_and(|wanted| wanted != object.tag()) {
            return xml::refusal(412, "PreconditionFailed", "");
        }
        let size = object.content.len();
        let modified = object.modified.format(&Rfc2822).unwrap_or_default();
        let mut response = Response::new(200)
            .with("etag", object.tag())
            .with("last-modified", modified.replace("+0000", "GMT"))
            .with("accept-ranges", "bytes");
        if call.operation == Operation::Head {
            return response.with("content-length", size.to_string());
        }
        let Some(range) = request.header("range") else {
            response.body.clone_from(&object.content);
            return response;
        };
        let Some((first, last)) = bounds(range, size) else {
            return xml::refusal(416, "InvalidRange", "");
        };
        response.status = 206;
        response.body = object.content.get(first..=last).unwrap_or_default().to_vec();
        response.with("content-range", format!("bytes {first}-{last}/{size}"))
    }

    fn delete_many(&mut self, request: &Request) -> Response {
        let digest = BASE64.encode(digest::digest(&digest::SHA256, &request.body));
        let is_whole = request.header("x-amz-checksum-sha256") == Some(digest.as_str());
        let has_md5 = request.header("content-md5").is_some_and(|sum| sum.len() == 24);
        if !is_whole || !has_md5 {
            return xml::refusal(400, "BadDigest", "");
        }
        let body = String::from_utf8_lossy(&request.body);
        let mut result = "<DeleteResult>".to_owned();
        for key in xml::texts(&body, "Key") {
            self.objects.remove(&xml::plain(key));
            let _ = write!(result, "<Deleted><Key>{key}</Key></Deleted>");
        }
        result.push_str("</DeleteResult>");
        xml::document(200, &result)
    }

    fn list(&self, call: &Call) -> Response {
        let prefix = call.parameter("prefix");
        let token = BASE64.decode(call.parameter("continuation-token")).unwrap_or_default();
        let token = String::from_utf8_lossy(&token).into_owned();
        let after = token.max(call.parameter("start-after").to_owned());
        let most = call.parameter("max-keys").parse().unwrap_or(self.page).min(self.page);
        let later =
            self.objects.range::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded));
        let mut found = later.filter(|(key, _)| key.starts_with(prefix));
        let (mut contents, mut last) = (String::new(), "");
        for (key, object) in found.by_ref().take(most) {
            let modified = object.modified.format(&Rfc3339).unwrap_or_default();
            let _ = write!(
                contents,
                "<Contents><Key>{}</Key><LastModified>{modified}</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                xml::escaped(key),
                xml::escaped(&object.tag()),
                object.content.len(),
            );
            last = key;
        }
        let is_cut = found.next().is_some();
        let next = if is_cut {
            let token = BASE64.encode(last);
            format!("<NextContinuationToken>{token}</NextContinuationToken>")
        } else {
            String::new()
        };
        let whole = format!(
            "<ListBucketResult><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys>\
             <IsTruncated>{is_cut}</IsTruncated>{next}{contents}</ListBucketResult>",
            xml::escaped(prefix),
        );
        xml::document(200, &whole)
    }

    fn begin(&mut self, call: &Call) -> Response {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        let upload = Upload { key: call.key.clone(), parts: BTreeMap::new() };
        self.uploads.insert(id.clone(), upload);
        let result = format!(
            "<InitiateMultipartUploadResult><Key>{}</Key><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>",
            xml::escaped(&call.key),
        );
        xml::document(200, &result)
    }

    fn upload(&mut self, call: &Call) -> Option<&mut Upload> {
        let upload = self.uploads.get_mut(call.parameter("uploadId"))?;
        (upload.key == call.key).then_some(upload)
    }

    fn take_part(&mut self, call: &Call, request: &Request) -> Response {
        let number = call.parameter("partNumber").parse::<u32>().ok();
        match (self.upload(call), number) {
            (Some(upload), Some(number @ 1..=10_000)) => {
                upload.parts.insert(number, request.body.clone());
                Response::new(200).with("etag", tag(&request.body))
            }
            (None, _) => xml::refusal(404, "NoSuchUpload", ""),
            _ => xml::refusal(400, "InvalidArgument", ""),
        }
    }

    fn complete(&mut self, call: &Call, request: &Request) -> Response {
        let Some(upload) = self.upload(call) else {
            return xml::refusal(404, "NoSuchUpload", "");
        };
        let body = String::from_utf8_lossy(&request.body);
        let numbers = xml::texts(&body, "PartNumber");
        let tags = xml::texts(&body, "ETag");
        let mut content = Vec::new();
        let count = numbers.len();
        for (index, (number, wanted)) in numbers.iter().zip(tags).enumerate() {
            let part = number.parse().ok().and_then(|number: u32| upload.parts.get(&number));
            let Some(part) = part.filter(|part| tag(part) == xml::plain(wanted)) else {
                return xml::refusal(400, "InvalidPart", "");
            };
            if index + 1 < count && part.len() < PART_BYTES {
                return xml::refusal(400, "EntityTooSmall", "");
            }
            content.extend_from_slice(part);
        }
        if count == 0 {
            return xml::refusal(400, "MalformedXML", "");
        }
        let tag = tag(&content);
        self.put(&call.key, content, now());
        self.uploads.remove(call.parameter("uploadId"));
        let result = format!(
            "<CompleteMultipartUploadResult><Key>{}</Key><ETag>{}</ETag>\
             </CompleteMultipartUploadResult>",
            xml::escaped(&call.key),
            xml::escaped(&tag),
        );
        xml::document(200, &result)
    }
}

/// `bytes=first-last`, `bytes=first-` or `bytes=-count`, of so many bytes.
fn bounds(range: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1)?;
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) => (first, end),
        (Err(_), Ok(count)) => (size.saturating_sub(count), end),
        _ => return None,
    };
    (first <= last).then_some((first, last))
}
