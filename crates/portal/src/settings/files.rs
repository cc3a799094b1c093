//! Where files of applicants are kept.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::faults::Faults;
use super::tuning::{FileStoreKind, Tuning};
use super::variables::Variables;
use super::{Environment, parse_http_url};

const KEY_ID: &str = "FILES_S3_ACCESS_KEY_ID";
const KEY: &str = "FILES_S3_SECRET_ACCESS_KEY";

/// Where files of applicants are kept.
#[derive(Debug)]
pub(crate) enum FileSettings {
    /// In a folder of this machine; made when it is first needed.
    Folder(PathBuf),
    /// In a store that speaks S3.
    S3(S3Settings),
}

/// A store that speaks S3.
#[derive(Debug)]
pub(crate) struct S3Settings {
    pub(crate) bucket: String,
    pub(crate) region: String,
    /// Another one than AWS.
    pub(crate) endpoint: Option<Url>,
    /// What all names in it begin with.
    pub(crate) prefix: String,
    pub(crate) credentials: S3Credentials,
}

/// How the store knows us.
#[derive(Debug)]
pub(crate) enum S3Credentials {
    /// A key: its id and secret.
    Key(String, SecretString),
    /// Those of the task that runs us (ECS), at this path of its endpoint.
    Container(String),
    /// Those of the machine that we run on.
    Machine,
}

impl FileSettings {
    pub(super) fn read(
        tuning: &Tuning,
        variables: &Variables,
        environment: Environment,
        faults: &mut Faults,
    ) -> Option<Self> {
        let files = &tuning.files;
        match files.store {
            FileStoreKind::Folder => {
                let folder = PathBuf::from(&files.folder);
                if folder.as_os_str().is_empty() {
                    return faults.missing("PORTAL__FILES__FOLDER", "the folder for files");
                }
                if !environment.is_development() && !folder.is_absolute() {
                    faults.add(
                        "PORTAL__FILES__FOLDER",
                        "is not an absolute path: whoever starts the portal elsewhere would find \
                         no files",
                    );
                    return None;
                }
                Some(Self::Folder(folder))
            }
            FileStoreKind::S3 => {
                let credentials = S3Credentials::read(variables, faults)?;
                if files.s3_bucket.is_empty() {
                    return faults.missing(
                        "PORTAL__FILES__S3_BUCKET",
                        "the bucket for files of applicants (or PORTAL__FILES__STORE=folder)",
                    );
                }
                let endpoint = match files.s3_endpoint.as_str() {
                    "" => None,
                    text => {
                        let name = "PORTAL__FILES__S3_ENDPOINT";
                        Some(parse_http_url(name, text, environment, faults)?)
                    }
                };
                Some(Self::S3(S3Settings {
                    bucket: files.s3_bucket.clone(),
                    region: files.s3_region.clone(),
                    endpoint,
                    prefix: files.s3_prefix.clone(),
                    credentials,
                }))
            }
        }
    }
}

impl S3Credentials {
    fn read(variables: &Variables, faults: &mut Faults) -> Option<Self> {
        let id = variables.find_or_file(KEY_ID, faults);
        let secret = variables.find_secret(KEY, faults);
        match (id, secret) {
            (Some(id), Some(secret)) => Some(Self::Key(id, secret)),
            (Some(_), None) => faults.missing(KEY, "the secret of FILES_S3_ACCESS_KEY_ID"),
            (None, Some(_)) => faults.missing(KEY_ID, "the id of FILES_S3_SECRET_ACCESS_KEY"),
            (None, None) => Some(
                variables
                    .find("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                    .map_or(Self::Machine, |path| Self::Container(path.to_owned())),
            ),
        }
    }
}
