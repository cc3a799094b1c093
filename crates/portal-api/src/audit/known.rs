//! Who makes a request, as soon as it is known: refusals that come later name them.

use std::cell::RefCell;
use std::rc::Rc;

use actix_web::{HttpMessage as _, HttpRequest};
use tenancy::{Actor, TenantId};

/// Shared by the layers of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Rc<RefCell<Option<(TenantId, Actor)>>>);

impl Known {
    /// Remembers who it is.
    pub(crate) fn remember(request: &HttpRequest, tenant: TenantId, actor: &Actor) {
        let known = request.extensions().get::<Self>().cloned();
        if let Some(known) = known
            && let Ok(mut known) = known.0.try_borrow_mut()
        {
            *known = Some((tenant, actor.clone()));
        }
    }

    /// Who it is, if anybody found out.
    pub(super) fn get(&self) -> Option<(TenantId, String)> {
        self.0.borrow().as_ref().map(|(tenant, actor)| (*tenant, actor.audit_name()))
    }
}
