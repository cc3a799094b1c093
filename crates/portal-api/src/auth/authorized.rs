//! The permission that stands in a handler's signature.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tenancy::{Actor, Authority, Grant, JobView, Permission, Role, TenantScope, UserId};

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
    /// List and read applications.
    ApplicationsRead,
    /// Move applications through open stages.
    ApplicationsWrite,
    /// Reject, take back, hire and withdraw.
    ApplicationsDecide,
    /// Look into the cache.
    CacheRead,
    /// Drop and fill parts of the cache.
    CacheWrite,
    /// End one's own sessions.
    SessionManage,
    /// See who belongs to the tenant.
    TeamRead,
    /// Invite and remove members and change their roles.
    TeamManage,
    /// List, make and revoke API keys.
    ApiKeysManage,
    /// Say where events are told, and see what came of it.
    WebhooksManage,
    /// Read and put away one's own notifications.
    NotificationsManage,
    /// See figures about jobs and applications.
    AnalyticsRead,
    /// Take figures out as a file, and see whether they are sound.
    AnalyticsExport,
}

/// A caller who may do what `P` says: the only road from a request to tenant data.
///
/// As an extractor it refuses what [`Principal`] refuses, and with 403 whoever's role or scopes do
/// not have the permission.
#[derive(Clone, Debug)]
pub struct Authorized<P: Needs> {
    /// The tenant that the request works in.
    pub scope: TenantScope,
    /// Who it is, for the audit trail.
    pub actor: Actor,
    /// How far the permission reaches; never [`Grant::None`].
    pub grant: Grant,
    /// The jobs that it reaches.
    pub view: JobView,
    authority: Authority,
    permission: PhantomData<P>,
}

/// The person behind a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub user: UserId,
    /// What they are in the tenant, right now.
    pub role: Role,
}

impl<P: Needs> FromRequest for Authorized<P> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl<P: Needs> Authorized<P> {
    /// What the extractor does.
    pub(crate) async fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        Self::check(Principal::of(request).await?)
    }

    /// Refuses whoever's role or scopes do not have the permission.
    pub(crate) fn check(principal: Principal) -> Result<Self, ApiError> {
        let (grant, view) = principal.require::<P>()?;
        let Principal { scope, actor, authority, .. } = principal;
        Ok(Self { scope, actor, grant, view, authority, permission: PhantomData })
    }

    /// How far another permission reaches for the same caller.
    pub(crate) fn reach(&self, permission: Permission) -> Grant {
        self.authority.grant(permission)
    }

    /// The person who calls, by themselves or through an application; 403 for machines.
    pub fn person(&self) -> Result<Person, ApiError> {
        match (&self.actor, self.authority.role()) {
            (Actor::Member { user, .. }, Some(role)) => Ok(Person { user: *user, role }),
            _ => Err(ApiError::new(ErrorCode::Forbidden, "This is for people, not for machines.")),
        }
    }
}

impl Principal {
    /// How far the permission reaches for this caller, and the jobs that it reaches; 403 where it
    /// does not reach at all.
    pub(crate) fn require<P: Needs>(&self) -> Result<(Grant, JobView), ApiError> {
        let grant = self.authority.grant(P::PERMISSION);
        JobView::from_grant(grant, self.actor.user())
            .map(|view| (grant, view))
            .ok_or_else(|| refusal(self.authority, P::PERMISSION))
    }
}

fn refusal(authority: Authority, permission: Permission) -> ApiError {
    let name = permission.as_str();
    if authority.lacks_scope(permission) {
        let detail = format!("The token or key does not include {name}.");
        let challenge =
            format!("Bearer realm=\"portal\", error=\"insufficient_scope\", scope=\"{name}\"");
        return ApiError::new(ErrorCode::Forbidden, detail).with_challenge(challenge);
    }
    let role = authority.role().map_or("nobody", Role::as_str);
    ApiError::new(ErrorCode::Forbidden, format!("The role {role} does not include {name}."))
}
