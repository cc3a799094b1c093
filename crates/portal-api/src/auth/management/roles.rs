//! The ids of roles: calls name roles by id, we by name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tenancy::Role;
use tokio::time::Instant;

use super::calls::Call;
use super::{ManagementClient, ManagementError};

/// Names hardly ever get other ids.
const FRESH: Duration = Duration::from_mins(10);

/// Ids by role, as they were a while ago.
#[derive(Default)]
pub(super) struct RoleIds(Mutex<HashMap<Role, (String, Instant)>>);

/// A role of the identity provider.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ProviderRole {
    pub(super) id: String,
    pub(super) name: String,
}

impl ProviderRole {
    /// The role of ours that has this name.
    pub(super) fn as_ours(&self) -> Option<Role> {
        self.name.parse().ok()
    }
}

impl ManagementClient {
    /// The identity provider's id of a role of ours.
    pub(super) async fn role_id(&self, role: Role) -> Result<String, ManagementError> {
        let kept = {
            let kept = self.role_ids.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get(&role).filter(|(_, at)| at.elapsed() < FRESH).map(|(id, _)| id.clone())
        };
        if let Some(id) = kept {
            return Ok(id);
        }
        // The filter finds names that contain the text, so the right one is picked.
        let query = [("name_filter", role.as_str()), ("per_page", "100")];
        let call = Call::get(&["roles"]).with_query(&query);
        let found: Vec<ProviderRole> = self.find(&call).await?.unwrap_or_default();
        let id = found
            .into_iter()
            .find(|found| found.as_ours() == Some(role))
            .map(|found| found.id)
            .ok_or(ManagementError::NoSuchRole(role.as_str()))?;
        let mut kept = self.role_ids.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(role, (id.clone(), Instant::now()));
        Ok(id)
    }
}
