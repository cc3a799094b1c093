//! The permission that stands in a handler's signature.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use session_store::OrganizationData;
use tenancy::{Actor, Grant, JobView, Permission, Role, TenantScope, UserId};

use super::principal::Principal;
use crate::error::{ApiError, ErrorCode};

/// A permission as a type.
pub trait Needs: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Needs for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )+
    };
}

permissions! {
    /// Read one's own session.
    SessionRead,
    /// List, search and read jobs, their facets and figures.
    JobsRead,
    /// Create jobs and move them through their states.
    JobsWrite,
    /// Edit a job's text and fields.
    JobsEdit,
    /// Move a job to the archive.
    JobsArchive,
    /// Delete a draft.
    JobsDelete,
    /// Look into the cache.
    CacheRead,
    /// Drop and fill parts of the cache.
    CacheWrite,
}

/// A signed-in person who may do what `P` says: the only road from a request to tenant data.
///
/// As an extractor it refuses what [`Principal`] refuses, and with 403 whoever's role does not
/// have the permission.
#[derive(Clone, Debug)]
pub struct Authorized<P: Needs> {
    /// The tenant that the request works in.
    pub scope: TenantScope,
    /// The person in their role, for the audit trail.
    pub actor: Actor,
    /// The person.
    pub user: UserId,
    /// Their role.
    pub role: Role,
    /// How far the permission reaches; never [`Grant::None`].
    pub grant: Grant,
    /// The jobs that it reaches.
    pub view: JobView,
    /// Their organization.
    pub organization: OrganizationData,
    permission: PhantomData<P>,
}

impl<P: Needs> FromRequest for Authorized<P> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let principal = Principal::from_request(request, payload);
        Box::pin(async move { Self::check(principal.await?) })
    }
}

impl<P: Needs> Authorized<P> {
    /// Refuses whoever's role does not have the permission.
    pub(crate) fn check(principal: Principal) -> Result<Self, ApiError> {
        let (grant, view) = principal.require::<P>()?;
        let Principal { scope, actor, user, role, organization, session: _ } = principal;
        let permission = PhantomData;
        Ok(Self { scope, actor, user, role, grant, view, organization, permission })
    }
}

impl Principal {
    /// How far the permission reaches for this person, and the jobs that it reaches; 403 where it
    /// does not reach at all.
    pub(crate) fn require<P: Needs>(&self) -> Result<(Grant, JobView), ApiError> {
        let grant = self.role.grant(P::PERMISSION);
        JobView::from_grant(grant, self.user).map(|view| (grant, view)).ok_or_else(|| {
            let (role, permission) = (self.role, P::PERMISSION.as_str());
            let detail = format!("The role {role} does not include {permission}.");
            ApiError::new(ErrorCode::Forbidden, detail)
        })
    }
}
