//! An operator who calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use session_store::SessionRecord;
use sha2::{Digest as _, Sha256};
use tenancy::{Actor, UserId};

use super::Platform;
use crate::audit::Known;
use crate::auth::signed_in;
use crate::error::{ApiError, ErrorCode};
use crate::limits::admit_operator;
use crate::state::PortalState;

/// A signed-in member of the platform's organization.
///
/// As an extractor it refuses: 401 where nobody is signed in, 403 everybody else, tokens and keys
/// among them. There is no scope in it: what an operator does, they do as [`Platform::db`] lets
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// The person.
    pub(crate) user: UserId,
    /// What only this session of theirs knows, as a digest.
    pub(crate) session: [u8; 32],
    /// What they work with.
    pub(crate) platform: Arc<Platform>,
}

impl Operator {
    async fn find(request: &HttpRequest) -> Result<Self, ApiError> {
        let state = request
            .app_data::<web::Data<PortalState>>()
            .ok_or_else(|| ApiError::internal("the portal's state is not registered"))?;
        let session = signed_in(request, state).await?.session;
        let Some(platform) = state.operators.platform_of(&session.org) else {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "This is for the platform's operators.",
            ));
        };
        let actor = Actor::Operator { operator: session.user, member: None };
        Known::remember(request, session.tenant, &actor);
        admit_operator(request, session.user)?;
        Ok(Self {
            user: session.user,
            session: digest_of(&session),
            platform: Arc::clone(platform),
        })
    }
}

/// Tells a session from all others, and tells nothing else of it.
pub(super) fn digest_of(session: &SessionRecord) -> [u8; 32] {
    Sha256::new()
        .chain_update("portal impersonation 1\0")
        .chain_update(session.csrf_token.as_bytes())
        .finalize()
        .into()
}

/// The input of an operator's call, looked at only after it is known that they are one.
#[derive(Debug)]
pub(crate) struct OperatorCall<T>(pub(crate) Operator, pub(crate) T);

impl<T: FromRequest + 'static> FromRequest for OperatorCall<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let operator = Operator::find(&request).await?;
            let input = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(operator, input))
        })
    }
}
