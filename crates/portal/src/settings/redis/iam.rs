//! ElastiCache's IAM authentication: the cache, the user, and the keys that sign its tokens.

use redis_provider::{AwsKeys, IamSettings};
use url::Url;

use super::elasticache::read_switch;
use super::{Inside, pasted};
use crate::settings::faults::Faults;
use crate::settings::variables::Variables;

const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where a container on ECS finds its credentials.
const ECS: &str = "http://169.254.170.2";

const CACHE_NAME: &str = "REDIS_IAM_CACHE_NAME";

/// Reads the settings, and names the variable that gives the keys.
pub(super) fn read(
    variables: &Variables,
    url_username: Option<String>,
    faults: &mut Faults,
) -> Option<(IamSettings, &'static str)> {
    let user = first_of(variables, &["REDIS_IAM_USER", "REDIS_USERNAME"], faults)
        .or(url_username)
        .or_else(|| faults.missing("REDIS_IAM_USER", "the id of the ElastiCache user"));
    let cache_name = first_of(variables, &[CACHE_NAME], faults).or_else(|| {
        faults.missing(
            CACHE_NAME,
            "the id of the replication group, or the name of the serverless cache",
        )
    });
    let cache_name = cache_name.filter(|text| {
        is_plain(text) || {
            faults.add(
                CACHE_NAME,
                "is not the cache's name alone, as an endpoint's name has it among its parts",
            );
            false
        }
    });
    let regions = ["REDIS_IAM_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"];
    let region = first_of(variables, &regions, faults)
        .or_else(|| faults.missing("REDIS_IAM_REGION", "the cache's region, such as eu-west-1"));
    let region = region.filter(|text| {
        is_plain(text) || {
            faults.add("REDIS_IAM_REGION", "is not a region's name, such as eu-west-1");
            false
        }
    });
    let is_serverless = read_switch(variables, "REDIS_IAM_SERVERLESS", faults);
    let (keys, keys_variable) = read_keys(variables, faults)?;
    let settings = IamSettings {
        user: user?,
        cache_name: cache_name?,
        region: region?,
        is_serverless: is_serverless?.unwrap_or(false),
        keys,
    };
    Some((settings, keys_variable))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn first_of(variables: &Variables, names: &[&str], faults: &mut Faults) -> Option<String> {
    let name = names.iter().find(|name| variables.is_set(name))?;
    pasted::find(variables, name, Inside::NoSpace, faults)
}

/// The keys of the environment, or the container's, in the order of AWS's own libraries.
fn read_keys(variables: &Variables, faults: &mut Faults) -> Option<(AwsKeys, &'static str)> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    if variables.is_set(id) || variables.is_set(secret) {
        let token = "AWS_SESSION_TOKEN";
        let access_key_id = pasted::find(variables, id, Inside::NoSpace, faults)
            .or_else(|| faults.missing(id, "the id of the secret access key that is set"));
        let secret_access_key = pasted::find_secret(variables, secret, Inside::NoSpace, faults)
            .or_else(|| faults.missing(secret, "the secret of the access key id that is set"));
        let session_token = pasted::find_secret(variables, token, Inside::NoSpace, faults);
        let keys = AwsKeys::Static {
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token,
        };
        return Some((keys, id));
    }
    let (url, name) = container_url(variables, faults)?;
    // Not by `find_secret`: of these two, the file's variable is a name of its own that AWS gave,
    // and the file is read again for each token, because it changes.
    let keys = AwsKeys::Container {
        url,
        authorization: variables.find(TOKEN).map(Into::into),
        authorization_file: variables.find(TOKEN_FILE).map(Into::into),
    };
    Some((keys, name))
}

fn container_url(variables: &Variables, faults: &mut Faults) -> Option<(Url, &'static str)> {
    let (name, text) = match (variables.find(RELATIVE_URI), variables.find(FULL_URI)) {
        (Some(path), _) => (RELATIVE_URI, format!("{ECS}{path}")),
        (None, Some(url)) => (FULL_URI, url.to_owned()),
        (None, None) => {
            return faults.missing(
                "AWS_ACCESS_KEY_ID",
                "REDIS_IAM signs with it and AWS_SECRET_ACCESS_KEY, or with a container's \
                 credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI)",
            );
        }
    };
    let url = Url::parse(&text).ok().filter(|url| name == FULL_URI || is_on_ecs(url));
    if url.is_none() {
        faults.add(name, "is not an address of container credentials; take it from AWS as it is");
    }
    url.map(|url| (url, name))
}

/// A relative address must not lead elsewhere, as `@elsewhere/` or `.elsewhere/` would.
fn is_on_ecs(url: &Url) -> bool {
    url.host_str() == Some("169.254.170.2") && url.username().is_empty() && url.port().is_none()
}
