//! What people see first, read ahead of them.

use tenancy::{JobView, TenantScope};
use tenant_cache::{Operation, Outcome};

use super::query::ListQuery;
use super::{figures, list};
use crate::error::ApiError;
use crate::state::PortalState;

/// Reads what `operation` shows first to somebody with `view`; `None` where that is for them to
/// say, such as which job they look at.
pub(crate) async fn read_first(
    state: &PortalState,
    scope: &TenantScope,
    operation: Operation,
    view: JobView,
) -> Result<Option<Outcome>, ApiError> {
    let answer = if operation == Operation::JobsList {
        let query = ListQuery::parse("", &state.settings.limits)?;
        list::read_page(state, scope, view, &query).await?
    } else if operation == Operation::JobsStats {
        figures::read_overview(state, scope, view).await?
    } else if operation == Operation::JobFacets {
        figures::read_facets(state, scope, view, "").await?
    } else {
        return Ok(None);
    };
    Ok(Some(answer.outcome))
}
