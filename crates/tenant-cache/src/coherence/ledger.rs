//! A bounded set of generations by tenant, which becomes coarser instead of larger.

use std::collections::{BTreeMap, HashMap};

use tenancy::{OrgId, TenantScope};

use super::target::Target;

/// How much a ledger tells apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Generations of one tenant; past them the tenant's own stands for all of it.
    pub(crate) targets: usize,
    /// Tenants; past them the platform's generation stands for everything.
    pub(crate) tenants: usize,
}

/// Generations, each with something known about it.
///
/// Every value depends on its tenant's generation and on the platform's, so naming one of those
/// instead of many finer ones only ever says more than was asked.
#[derive(Debug)]
pub(crate) struct Ledger<V> {
    bounds: Bounds,
    platform: Option<V>,
    tenants: HashMap<OrgId, Tenant<V>>,
    /// How often it became coarser.
    overflows: u64,
}

#[derive(Debug)]
struct Tenant<V> {
    scope: TenantScope,
    targets: BTreeMap<String, (bool, V)>,
}

/// One line of a ledger.
#[derive(Clone, Debug)]
pub(crate) struct Line<V> {
    /// Whose generation it is; none for the platform's.
    pub(crate) scope: Option<TenantScope>,
    pub(crate) target: Target,
    pub(crate) value: V,
}

impl<V: Copy + PartialEq> Ledger<V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, platform: None, tenants: HashMap::new(), overflows: 0 }
    }

    /// Notes `value` beside a generation, or beside the coarser one that stands for it.
    pub(crate) fn insert(&mut self, scope: Option<&TenantScope>, target: Target, value: V) {
        let (Some(scope), None) = (scope, self.platform) else {
            self.tenants.clear();
            self.platform = Some(value);
            return;
        };
        if !self.tenants.contains_key(scope.org()) && self.tenants.len() >= self.bounds.tenants {
            self.overflows += 1;
            self.tenants.clear();
            self.platform = Some(value);
            return;
        }
        let tenant = self
            .tenants
            .entry(scope.org().clone())
            .or_insert_with(|| Tenant { scope: scope.clone(), targets: BTreeMap::new() });
        let whole = Target::whole_tenant(scope);
        let is_whole = target == whole || tenant.targets.contains_key(&whole.key);
        if !is_whole {
            tenant.targets.insert(target.key, (target.expires, value));
        }
        let overflows = tenant.targets.len() > self.bounds.targets;
        self.overflows += u64::from(overflows);
        if is_whole || overflows {
            tenant.targets = BTreeMap::from([(whole.key, (whole.expires, value))]);
        }
    }

    /// Whether any of these generations of a tenant is noted.
    pub(crate) fn concerns(&self, scope: &TenantScope, keys: &[String]) -> bool {
        self.platform.is_some()
            || self
                .tenants
                .get(scope.org())
                .is_some_and(|tenant| keys.iter().any(|key| tenant.targets.contains_key(key)))
    }

    /// Removes a line, unless another value has been noted since.
    pub(crate) fn remove(&mut self, line: &Line<V>) {
        let Some(scope) = &line.scope else {
            self.platform = self.platform.filter(|value| *value != line.value);
            return;
        };
        let Some(tenant) = self.tenants.get_mut(scope.org()) else { return };
        if tenant.targets.get(&line.target.key).is_some_and(|(_, value)| *value == line.value) {
            tenant.targets.remove(&line.target.key);
        }
        if tenant.targets.is_empty() {
            self.tenants.remove(scope.org());
        }
    }

    /// Forgets what does not hold any more.
    pub(crate) fn retain(&mut self, holds: impl Fn(V) -> bool) {
        self.platform = self.platform.filter(|value| holds(*value));
        self.tenants.retain(|_, tenant| {
            tenant.targets.retain(|_, (_, value)| holds(*value));
            !tenant.targets.is_empty()
        });
    }

    pub(crate) fn lines(&self) -> Vec<Line<V>> {
        let platform = self.platform.map(|value| Line {
            scope: None,
            target: Target::whole_platform(),
            value,
        });
        let tenants = self.tenants.values().flat_map(|tenant| {
            tenant.targets.iter().map(|(key, (expires, value))| Line {
                scope: Some(tenant.scope.clone()),
                target: Target { key: key.clone(), expires: *expires },
                value: *value,
            })
        });
        platform.into_iter().chain(tenants).collect()
    }

    pub(crate) fn len(&self) -> usize {
        let of_tenants: usize = self.tenants.values().map(|tenant| tenant.targets.len()).sum();
        usize::from(self.platform.is_some()) + of_tenants
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.platform.is_none() && self.tenants.is_empty()
    }

    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }
}

#[cfg(test)]
mod tests {
    use tenancy::{Evidence, TenantId};
    use uuid::Uuid;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
    fn scope(org: &str) -> TenantScope {
        let tenant = TenantId::from_uuid(Uuid::nil());
        TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
    }

    fn target(key: &str) -> Target {
        Target { key: key.to_owned(), expires: true }
    }

    fn ledger() -> Ledger<u64> {
        Ledger::new(Bounds { targets: 2, tenants: 2 })
    }

    fn concerns(ledger: &Ledger<u64>, scope: &TenantScope, key: &str) -> bool {
        // As every value does, it depends on its tenant's generation too.
        ledger.concerns(scope, &[scope.tenant_generation_key(), key.to_owned()])
    }

    #[test]
    fn a_generation_concerns_its_tenant_and_those_who_depend_on_it() {
        let (a, b) = (scope("org_a"), scope("org_b"));
        let mut ledger = ledger();
        ledger.insert(Some(&a), target("1"), 7);
        assert!(concerns(&ledger, &a, "1"));
        assert!(!concerns(&ledger, &a, "2") && !concerns(&ledger, &b, "1"));
        ledger.remove(&ledger.lines()[0].clone());
        assert!(ledger.is_empty());
    }

    #[test]
    fn too_many_generations_become_the_whole_tenant_and_too_many_tenants_everything() {
        let (a, b, c) = (scope("org_a"), scope("org_b"), scope("org_c"));
        let mut ledger = ledger();
        for (key, value) in [("1", 1), ("2", 2), ("3", 3)] {
            ledger.insert(Some(&a), target(key), value);
        }
        assert_eq!((ledger.len(), ledger.overflows()), (1, 1));
        assert_eq!(ledger.lines()[0].target, Target::whole_tenant(&a));
        assert!(concerns(&ledger, &a, "never named") && !concerns(&ledger, &b, "1"));
        // What is finer than what is noted renews it.
        ledger.insert(Some(&a), target("1"), 4);
        assert_eq!((ledger.len(), ledger.lines()[0].value), (1, 4));

        ledger.insert(Some(&b), target("1"), 5);
        ledger.insert(Some(&c), target("1"), 6);
        assert_eq!((ledger.len(), ledger.overflows()), (1, 2));
        assert_eq!(ledger.lines()[0].target, Target::whole_platform());
        for tenant in [&a, &b, &c, &scope("org_d")] {
            assert!(concerns(&ledger, tenant, "anything"));
        }
        ledger.insert(Some(&a), target("1"), 8);
        assert_eq!((ledger.len(), ledger.lines()[0].value), (1, 8));
    }

    #[test]
    fn a_line_that_was_renewed_is_not_removed() {
        let a = scope("org_a");
        let mut ledger = ledger();
        ledger.insert(Some(&a), target("1"), 1);
        let before = ledger.lines()[0].clone();
        ledger.insert(Some(&a), target("1"), 2);
        ledger.remove(&before);
        assert_eq!(ledger.len(), 1);
        // Nor does removing the fine one touch the coarse one that took its place.
        let fine = ledger.lines()[0].clone();
        ledger.insert(Some(&a), Target::whole_tenant(&a), 2);
        ledger.remove(&fine);
        assert_eq!(ledger.lines()[0].target, Target::whole_tenant(&a));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let (a, b) = (scope("org_a"), scope("org_b"));
        let mut ledger = ledger();
        ledger.insert(Some(&a), target("1"), 1);
        ledger.insert(Some(&b), target("1"), 2);
        ledger.retain(|value| value > 1);
        assert!(!concerns(&ledger, &a, "1") && concerns(&ledger, &b, "1"));
        ledger.insert(None, Target::whole_platform(), 3);
        ledger.retain(|value| value > 3);
        assert!(ledger.is_empty());
    }
}
