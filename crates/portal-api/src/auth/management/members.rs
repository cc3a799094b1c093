//! People in an organization, and their roles there.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tenancy::{OrgId, Role};

use super::calls::Call;
use super::roles::ProviderRole;
use super::{ManagementClient, ManagementError};

/// Organizations a page, and pages at most, that are looked through for a membership.
const PER_PAGE: usize = 100;
const MAX_PAGES: usize = 10;

/// Somebody's place in an organization, as the identity provider has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// They are no member.
    Stranger,
    /// They are, with this as the most powerful of the roles that we know. A member without any
    /// is a viewer: the least that a member can be.
    Member(Role),
}

impl Place {
    /// The place of a member with roles of these names.
    pub(crate) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let roles = names.into_iter().filter_map(|name| name.parse().ok());
        Self::Member(roles.max().unwrap_or(Role::Viewer))
    }
}

#[derive(Deserialize)]
struct EffectiveRoles {
    roles: Vec<ProviderRole>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

impl ManagementClient {
    /// Reads somebody's place. Their effective roles are asked for first, since roles may come
    /// through a group as well; where an identity provider does not have these, the direct ones.
    pub(crate) async fn find_place(
        &self,
        org: &OrgId,
        subject: &str,
    ) -> Result<Place, ManagementError> {
        let path = ["organizations", org.as_str(), "members", subject, "effective-roles"];
        let query = [("take", "100")];
        let call = Call::get(&path).with_query(&query);
        let effective = self.find::<EffectiveRoles>(&call).await?.map(|answer| answer.roles);
        let roles = match effective {
            Some(roles) => roles,
            None => self.direct_roles(org, subject).await?.unwrap_or_default(),
        };
        // Nobody promises that a stranger has no empty list, so that one is looked into.
        if roles.is_empty() && !self.is_member(org, subject).await? {
            // Everything is "not found" at an address that is not the Management API's any more, and
            // what follows from a stranger ends a membership.
            let organization = ["organizations", org.as_str()];
            let found: Option<Organization> = self.find(&Call::get(&organization)).await?;
            if found.is_none_or(|found| found.id != org.as_str()) {
                return Err(ManagementError::Unusable("it does not know the organization"));
            }
            return Ok(Place::Stranger);
        }
        Ok(Place::of_names(roles.iter().map(|role| role.name.as_str())))
    }

    /// Gives a member `role` and takes the other roles of ours from them. The new one is given
    /// first: cut off in between, they have both, which is what the caller takes for a failure.
    /// Answers the place that comes of it, which a group's role may make another one.
    pub(crate) async fn put_role(
        &self,
        org: &OrgId,
        subject: &str,
        role: Role,
    ) -> Result<Place, ManagementError> {
        let Some(had) = self.direct_roles(org, subject).await? else {
            return Ok(Place::Stranger);
        };
        let path = ["organizations", org.as_str(), "members", subject, "roles"];
        if !had.iter().any(|had| had.as_ours() == Some(role)) {
            let body = json!({ "roles": [self.role_id(role).await?] });
            self.send(&Call::change(Method::POST, &path, Some(body))).await?;
        }
        let others: Vec<&str> = had
            .iter()
            .filter(|had| had.as_ours().is_some_and(|ours| ours != role))
            .map(|had| had.id.as_str())
            .collect();
        if !others.is_empty() {
            let body = json!({ "roles": others });
            self.send(&Call::change(Method::DELETE, &path, Some(body))).await?;
        }
        self.find_place(org, subject).await
    }

    /// Ends a membership; whoever is no member stays none.
    pub(crate) async fn remove_member(
        &self,
        org: &OrgId,
        subject: &str,
    ) -> Result<(), ManagementError> {
        let path = ["organizations", org.as_str(), "members"];
        let body = json!({ "members": [subject] });
        self.send(&Call::change(Method::DELETE, &path, Some(body))).await.map(drop)
    }

    async fn direct_roles(
        &self,
        org: &OrgId,
        subject: &str,
    ) -> Result<Option<Vec<ProviderRole>>, ManagementError> {
        let path = ["organizations", org.as_str(), "members", subject, "roles"];
        self.find(&Call::get(&path).with_query(&[("per_page", "100")])).await
    }

    async fn is_member(&self, org: &OrgId, subject: &str) -> Result<bool, ManagementError> {
        let size = PER_PAGE.to_string();
        for page in 0..MAX_PAGES {
            let page = page.to_string();
            let query = [("page", page.as_str()), ("per_page", size.as_str())];
            let path = ["users", subject, "organizations"];
            let call = Call::get(&path).with_query(&query);
            // Whoever does not exist any more belongs nowhere.
            let found: Vec<Organization> = self.find(&call).await?.unwrap_or_default();
            if found.iter().any(|found| found.id == org.as_str()) {
                return Ok(true);
            }
            if found.len() < PER_PAGE {
                return Ok(false);
            }
        }
        Err(ManagementError::Unusable("the person is in too many organizations"))
    }
}
