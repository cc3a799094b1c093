//! Requests to the identity provider: bounded in time and in size, without redirects.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use url::{Host, Url};

use super::error::{FetchError, OidcError};
use super::settings::OidcSettings;

/// A client with the deadlines of `settings`.
pub(super) fn client(settings: &OidcSettings) -> Result<Client, OidcError> {
    client_of(&settings.issuer, settings.request_timeout)
}

/// A client for requests to the identity provider that take no longer than `timeout`.
pub(in crate::auth) fn client_of(issuer: &Url, timeout: Duration) -> Result<Client, OidcError> {
    let mut builder = Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("employer-portal/", env!("CARGO_PKG_VERSION")));
    if is_loopback(issuer) {
        // A proxy of the environment could not reach a provider on this machine.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| OidcError::unusable("address", error.to_string()))
}

/// Sends a request and reads at most `limit` bytes of its answer.
pub(in crate::auth) async fn send(
    request: RequestBuilder,
    limit: usize,
) -> Result<(StatusCode, Vec<u8>), FetchError> {
    send_whole(request, limit).await.map(|(status, _, body)| (status, body))
}

/// The same with the headers of the answer.
pub(in crate::auth) async fn send_whole(
    request: RequestBuilder,
    limit: usize,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), FetchError> {
    let mut response = request.send().await.map_err(transport)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            return Err(FetchError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, headers, body))
}

/// Fetches a document that is there or not: any status but 200 is a failure.
pub(super) async fn get(client: &Client, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
    let (status, body) = send(client.get(url.clone()), limit).await?;
    if status == StatusCode::OK { Ok(body) } else { Err(FetchError::Status(status.as_u16())) }
}

fn transport(error: reqwest::Error) -> FetchError {
    FetchError::Transport(error.without_url())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
