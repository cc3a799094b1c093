//! Everybody who may call a route or must not: each role, by a session and by a token in both
//! forms, and machines with tokens and keys of their own.

use portal_api::Access;
use portal_tests::client::{Answer, Browser};
use portal_tests::issuer::{FORMS, Issuer};
use portal_tests::portal::Portal;
use portal_tests::tenant::Tenant;
use serde_json::json;
use tenancy::{Grant, Permission, PermissionSet, Role};
use uuid::Uuid;

use crate::table::{Route, Thing, calls, thing_for};

/// How somebody calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// With a browser.
    Session(Role),
    /// Through an application that may do all that they may.
    Token(Role),
    /// Through an application that may do everything but what the route needs.
    NarrowToken(Role),
    /// A machine that was given everything.
    MachineToken,
    /// A machine with a key of the owner's, with all scopes that keys may have.
    Key,
    /// A machine with a key of the owner's that lacks what the route needs.
    NarrowKey,
}

impl By {
    fn role(self) -> Option<Role> {
        match self {
            Self::Session(role) | Self::Token(role) | Self::NarrowToken(role) => Some(role),
            Self::MachineToken | Self::Key | Self::NarrowKey => None,
        }
    }
}

/// What may become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It succeeds.
    Served,
    /// It is the caller's to make; whether for this thing depends on their part in it.
    Perhaps,
    /// It is refused, 403, or 401 where there is nothing that it could be.
    Refused,
}

/// The people and machines of one tenant.
pub(crate) struct Callers<'a> {
    tenant: &'a Tenant,
    issuer: &'a Issuer,
    /// Believes the provider where people sign in.
    portal: &'a Portal,
    /// Believes the issuer of the tokens.
    tokens: &'a Portal,
    sessions: Vec<(Role, Browser)>,
    key: String,
}

impl<'a> Callers<'a> {
    pub(crate) async fn of(
        tenant: &'a Tenant,
        portal: &'a Portal,
        tokens: &'a Portal,
        issuer: &'a Issuer,
    ) -> Self {
        let mut sessions = Vec::new();
        for role in Role::ALL {
            sessions.push((role, tenant.signs_in(portal, role).await));
        }
        let mut callers = Self { tenant, issuer, portal, tokens, sessions, key: String::new() };
        callers.key = callers.makes_key(PermissionSet::for_machines()).await;
        callers
    }

    pub(crate) fn owner(&self) -> &Browser {
        &self.sessions.iter().find(|(role, _)| *role == Role::Owner).unwrap().1
    }

    async fn makes_key(&self, scopes: PermissionSet) -> String {
        let scopes: Vec<&str> = scopes.iter().map(Permission::as_str).collect();
        let body = json!({ "name": "Walker", "scopes": scopes });
        let made = self.owner().post("/api/api-keys", &body).await.expect(201).json();
        made["key"].as_str().unwrap().to_owned()
    }

    /// Everybody calls the route, each about a thing of their own; the wrong ones change nothing.
    pub(crate) async fn walk(&self, route: &Route) {
        let permission = match route.access {
            Access::Needs(permission) => permission,
            // Whoever is signed in may leave; removing others is for some.
            Access::SignedIn if route.removes_people() => Permission::TeamManage,
            Access::Operator => return self.is_for_nobody(route).await,
            _ => return,
        };
        let people = Role::ALL
            .into_iter()
            .flat_map(|role| [By::Session(role), By::Token(role), By::NarrowToken(role)]);
        for by in people.chain([By::MachineToken, By::Key, By::NarrowKey]) {
            for form in FORMS {
                let is_token = matches!(by, By::Token(_) | By::NarrowToken(_) | By::MachineToken);
                if form != FORMS[0] && !is_token {
                    continue;
                }
                let verdict = verdict(by, route, permission);
                let is_served = verdict != Verdict::Refused;
                let is_own_leave = route.removes_people() && by.role() == Some(Role::Admin);
                let is_not_to_be_done =
                    route.removes_people() || (is_token && route.needs_provider());
                if is_own_leave || (is_served && is_not_to_be_done) {
                    continue;
                }
                let Some(caller) = self.caller(by, form, permission).await else { continue };
                let id = match (route.thing, by) {
                    (Thing::Device, By::Session(_)) => thing_for(route, self.tenant, &caller).await,
                    (Thing::Notification, By::Session(_) | By::Token(_)) => {
                        thing_for(route, self.tenant, &caller).await
                    }
                    (Thing::Device | Thing::Notification, _) => Uuid::now_v7().to_string(),
                    _ => thing_for(route, self.tenant, self.owner()).await,
                };
                let answer = calls(&caller, route, &id).await;
                check(&answer, route, verdict, &format!("{by:?} {form}"));
            }
        }
    }

    /// No role, token or key of a tenant opens what is for the platform's operators.
    async fn is_for_nobody(&self, route: &Route) {
        let all = PermissionSet::all().iter().map(Permission::as_str).collect::<Vec<_>>().join(" ");
        let (tenant, org) = (self.tenant, &self.tenant.org);
        let mut callers: Vec<Browser> =
            self.sessions.iter().map(|(_, browser)| browser.clone()).collect();
        for form in FORMS {
            let owner = self.issuer.token(form, &tenant.subject(Role::Owner), org, &all);
            let machine = self.issuer.machine_token(form, org, &all);
            callers.extend([owner, machine].map(|token| self.tokens.browser().with_token(&token)));
        }
        callers.push(self.portal.browser().with_key(&self.key));
        for caller in callers {
            let answer = calls(&caller, route, &Uuid::now_v7().to_string()).await;
            assert_eq!(answer.status, 403, "{}: {}", route.name(), answer.text);
        }
    }

    async fn caller(&self, by: By, form: &str, permission: Permission) -> Option<Browser> {
        let all: PermissionSet = PermissionSet::all();
        let without = |set: PermissionSet| -> PermissionSet {
            set.iter()
                .filter(|one| !PermissionSet::of_scope(one.as_str()).contains(permission))
                .collect()
        };
        let words = |set: PermissionSet| -> String {
            set.iter().map(Permission::as_str).collect::<Vec<_>>().join(" ")
        };
        let (subject, org) = (|role| self.tenant.subject(role), &self.tenant.org);
        let with_token = |token: &str| self.tokens.browser().with_token(token);
        Some(match by {
            By::Session(role) => {
                self.sessions.iter().find(|(one, _)| *one == role).unwrap().1.clone()
            }
            By::Token(role) => {
                with_token(&self.issuer.token(form, &subject(role), org, &words(all)))
            }
            By::NarrowToken(role) => {
                with_token(&self.issuer.token(form, &subject(role), org, &words(without(all))))
            }
            By::MachineToken => with_token(&self.issuer.machine_token(form, org, &words(all))),
            By::Key => self.portal.browser().with_key(&self.key),
            By::NarrowKey => {
                let scopes = without(PermissionSet::for_machines());
                if scopes == PermissionSet::NONE || !permission.is_for_machines() {
                    return None;
                }
                self.portal.browser().with_key(&self.makes_key(scopes).await)
            }
        })
    }
}

fn verdict(by: By, route: &Route, permission: Permission) -> Verdict {
    let of = |role: Role| match role.grant(permission) {
        Grant::None => Verdict::Refused,
        Grant::All => Verdict::Served,
        Grant::Assigned | Grant::Published => Verdict::Perhaps,
    };
    match by {
        By::Session(role) => of(role),
        By::Token(role) if !route.is_of_sessions() => of(role),
        By::MachineToken | By::Key if permission.is_for_machines() => Verdict::Served,
        _ => Verdict::Refused,
    }
}

fn check(answer: &Answer, route: &Route, verdict: Verdict, who: &str) {
    let status = answer.status.as_u16();
    let is_right = match verdict {
        Verdict::Served => status == route.success,
        Verdict::Perhaps => [route.success, 403, 404].contains(&status),
        // Where somebody may not even know the thing, they are told that there is none.
        Verdict::Refused => status == 403 || (status == 404 && route.names_a_thing()),
    };
    assert!(is_right, "{who}: {}: {verdict:?}: {status} {}", route.name(), answer.text);
    let is_machine = !who.starts_with("Session");
    assert!(
        !is_machine || !answer.headers.contains_key("set-cookie"),
        "{who}: {}: a cookie for whom there is no session",
        route.name()
    );
}
