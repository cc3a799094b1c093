//! The people of a tenant: who they are, what they are, and who is asked to join.
//!
//! The membership row decides. Where roles are the identity provider's (`AUTH0_ROLES_CLAIM`), a
//! change is written there first and here only if that worked; what was written there and not
//! here comes back by its event, or at the person's next sign-in.
//!
//! Nobody reaches above themselves: neither a role nor the person who has it.

mod body;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod removal;
pub(crate) mod role;
mod view;

use std::time::Duration;

use actix_web::HttpRequest;
use employer_store::TenantTx;
use employer_store::team::{self, Member};
use tenancy::{Actor, Grant, Permission, Role, TenantScope, UserId};
use uuid::Uuid;

use crate::auth::Person;
use crate::error::{ApiError, ErrorCode};

/// Longest time of a change, the identity provider's part included.
const CHANGE_DEADLINE: Duration = Duration::from_secs(25);

/// Somebody who changes the place of somebody else or their own, and where.
#[derive(Clone, Debug)]
struct Change {
    scope: TenantScope,
    actor: Actor,
    person: Person,
    target: UserId,
}

/// The person that the path names. Text that is no id names nobody: 404, as for any other.
fn member_of_path(request: &HttpRequest) -> Result<UserId, ApiError> {
    id_of_path(request, "user").map(UserId::from_uuid)
}

/// An id in the path, in its one spelling.
fn id_of_path(request: &HttpRequest, name: &str) -> Result<Uuid, ApiError> {
    let text = request.match_info().get(name).unwrap_or_default();
    let id = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
    id.ok_or_else(ApiError::not_found)
}

/// The role of the person who changes something, as the locked rows have it: it may have changed
/// while they waited for their turn.
async fn role_of_caller(tx: &mut TenantTx, person: Person) -> Result<Role, ApiError> {
    let caller = team::find_member(tx, person.user).await?;
    let role = caller.map(|caller| caller.role).ok_or_else(|| {
        ApiError::new(ErrorCode::Forbidden, "You are no member of this organization any more.")
    })?;
    Ok(role.min(person.role))
}

/// The same, where it still takes the right to manage the team.
async fn role_of_manager(tx: &mut TenantTx, person: Person) -> Result<Role, ApiError> {
    let role = role_of_caller(tx, person).await?;
    if role.grant(Permission::TeamManage) != Grant::None {
        return Ok(role);
    }
    Err(ApiError::new(ErrorCode::Forbidden, "You do not manage the team any more."))
}

/// Refuses to reach above oneself.
fn check_reach(caller: Role, role: Role) -> Result<(), ApiError> {
    if role <= caller {
        return Ok(());
    }
    let detail = format!("The role {caller} does not reach the role {role}.");
    Err(ApiError::new(ErrorCode::Forbidden, detail))
}

/// The member whom a change is about; 403 where they are above the caller.
async fn target(tx: &mut TenantTx, caller: Role, user: UserId) -> Result<Member, ApiError> {
    let member = team::find_member(tx, user).await?.ok_or_else(ApiError::not_found)?;
    check_reach(caller, member.role)?;
    Ok(member)
}

fn last_owner() -> ApiError {
    ApiError::new(
        ErrorCode::LastOwner,
        "This is the organization's only owner. Make somebody else an owner first.",
    )
}

/// The identity provider does not have the person where we do.
fn not_at_provider() -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        "The identity provider does not know them as a member of the organization.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reaches_above_themselves() {
        assert!(check_reach(Role::Admin, Role::Admin).is_ok());
        assert!(check_reach(Role::Owner, Role::Owner).is_ok());
        let refused = check_reach(Role::Admin, Role::Owner).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Forbidden);
    }
}
