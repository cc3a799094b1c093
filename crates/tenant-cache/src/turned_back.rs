//! Generations that went back: the provider answers an earlier stamp than it has answered before.
//!
//! What was sealed with the earlier one has been dropped since, so it is not believed. A replica
//! that lags and an answer that was overtaken come right by themselves. A failover that lost a
//! write, or somebody who put an old record back with the old values, does not: then the generation
//! is replaced, which makes a miss of all of them.

use std::collections::BTreeSet;

use redis_provider::Script;
use tenancy::TenantScope;

use crate::cache::{Inner, TenantCache};
use crate::coherence::{Course, Stamp, Target};
use crate::generation::Dependencies;

impl TenantCache {
    /// Whether none of the stamps that were asked for is an earlier one than was known. Those that
    /// stay so are replaced.
    pub(crate) async fn goes_onward(
        &self,
        scope: &TenantScope,
        dependencies: &Dependencies,
        asked: &[Option<Stamp>],
    ) -> bool {
        let cells = &self.shared().coherence.cells;
        let mut is_onward = true;
        let mut turned_back = BTreeSet::new();
        for (index, (cell, stamp)) in dependencies.cells().iter().zip(asked).enumerate() {
            let Some(stamp) = stamp else { continue };
            match cells.course(cell, *stamp) {
                Course::Onward => {}
                Course::Behind => is_onward = false,
                Course::TurnedBack => {
                    is_onward = false;
                    cell.drop_lease();
                    turned_back.extend(dependencies.target(index));
                }
            }
        }
        if !turned_back.is_empty() {
            self.replaces_turned_back(scope, turned_back).await;
        }
        is_onward
    }

    async fn replaces_turned_back(&self, scope: &TenantScope, targets: BTreeSet<Target>) {
        let Inner { codec, coherence, .. } = &**self.shared();
        for target in &targets {
            codec.refusals.turned_back();
            tracing::warn!(
                target: "audit",
                {
                    audit.action = "cache.generation.turned_back",
                    tenant.org = %scope.org(),
                    cache.generation = target.key,
                },
                "a generation went back to an earlier stamp; it is replaced"
            );
        }
        // What fails is in the journal, and repeated.
        let replaced = self.replace(scope, targets, Script::AdvanceStamp).await.unwrap_or_default();
        for (target, stamp) in replaced {
            if let Some(cell) = coherence.cells.known(&target.key) {
                cell.begins_anew(stamp);
            }
        }
    }
}
