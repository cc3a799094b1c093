//! The page that lists who can sign in: one form for each person and organization.

use std::fmt::Write as _;

use super::{document, escape, hidden};
use crate::authorization_request::AuthorizationRequest;
use crate::directory::{Directory, Organization, Person};

/// A test run can add thousands; the page stays readable.
const MEMBERS_SHOWN: usize = 200;
const OTHERS_SHOWN: usize = 50;
/// Text is escaped, so this attribute is nowhere but on buttons.
const HINTED: &str = " class=\"hinted\"";

/// What the page is made of.
pub(crate) struct SignInPage<'a> {
    pub(crate) client_name: &'a str,
    pub(crate) transaction: &'a str,
    pub(crate) request: &'a AuthorizationRequest,
    pub(crate) directory: &'a Directory,
    /// Who is signed in in this browser.
    pub(crate) signed_in: Option<&'a Person>,
}

impl SignInPage<'_> {
    /// The whole page.
    pub(crate) fn render(&self) -> String {
        let organization =
            self.request.organization.as_ref().and_then(|id| self.directory.find_organization(id));
        let verb = if self.request.is_sign_up { "Sign up" } else { "Sign in" };
        let name = escape(self.client_name);
        let mut main = format!("<header><h1>{verb} to {name}</h1>");
        main.push_str(&lead(organization));
        main.push_str("</header>");
        main.push_str(&self.notes(organization));
        match organization {
            Some(organization) => {
                main.push_str(&self.members(organization));
                main.push_str(&self.others(organization));
            }
            None => main.push_str(&self.everybody()),
        }
        main.push_str(&self.request_details());
        // The first one only: a document has one focus.
        let main = main.replacen(HINTED, &format!("{HINTED} autofocus"), 1);
        document(&format!("{verb} to {}", self.client_name), &main)
    }

    fn notes(&self, organization: Option<&Organization>) -> String {
        let mut notes = Vec::new();
        if let Some(person) = self.signed_in {
            notes.push(format!(
                "This browser is signed in as <strong>{}</strong>.",
                escape(&person.name)
            ));
        }
        if let Some(hint) = self.request.login_hint.as_deref() {
            match (self.directory.find_person_by_hint(hint), organization) {
                (None, _) => notes.push(format!("Nobody is known as {}.", escape(hint))),
                (Some(person), Some(organization))
                    if person.role_in(&organization.id).is_none() =>
                {
                    notes.push(format!(
                        "<strong>{}</strong> is not a member of {}.",
                        escape(&person.name),
                        escape(&organization.display_name)
                    ));
                }
                _ => {}
            }
        }
        if self.request.invitation.is_some() {
            notes.push("An invitation is waiting: the invited person becomes a member.".to_owned());
        }
        notes.iter().fold(String::new(), |mut html, note| {
            let _ = write!(html, "<p class=\"note\" role=\"status\">{note}</p>");
            html
        })
    }

    fn members(&self, organization: &Organization) -> String {
        let members = self
            .directory
            .people()
            .filter_map(|person| Some((person, person.role_in(&organization.id)?)));
        self.section(organization, members)
    }

    fn everybody(&self) -> String {
        let mut html = String::new();
        let mut left = MEMBERS_SHOWN;
        let mut organizations: Vec<_> = self.directory.organizations().collect();
        organizations.sort_by_key(|organization| organization.display_name.as_str());
        for organization in organizations {
            let members: Vec<_> = self
                .directory
                .people()
                .filter_map(|person| Some((person, person.role_in(&organization.id)?)))
                .collect();
            if members.is_empty() || left == 0 {
                continue;
            }
            left = left.saturating_sub(members.len());
            html.push_str(&self.section(organization, members.into_iter()));
        }
        if left == 0 {
            html.push_str(
                "<p class=\"note\">There are more: name an organization to see them.</p>",
            );
        }
        let alone: Vec<_> =
            self.directory.people().filter(|person| person.memberships.is_empty()).collect();
        if !alone.is_empty() {
            html.push_str(
                "<section aria-labelledby=\"alone\"><h2 id=\"alone\">No organization</h2><ul>",
            );
            for person in alone.into_iter().take(OTHERS_SHOWN) {
                html.push_str(&self.choice(person, None, "no membership"));
            }
            html.push_str("</ul></section>");
        }
        html
    }

    /// People who get an error: so that a developer can see what the application makes of it.
    fn others(&self, organization: &Organization) -> String {
        let mut others: Vec<_> = self
            .directory
            .people()
            .filter(|person| person.role_in(&organization.id).is_none())
            .collect();
        if others.is_empty() {
            return String::new();
        }
        others.sort_by_key(|person| !self.is_hinted(person));
        let choices: String = others
            .into_iter()
            .take(OTHERS_SHOWN)
            .map(|person| self.choice(person, Some(organization), "not a member"))
            .collect();
        let opened = if self.request.invitation.is_some() { " open" } else { "" };
        format!(
            "<details{opened}><summary>People who are not members</summary>\
             <p>Without an invitation the application gets <code>access_denied</code>.</p>\
             <ul>{choices}</ul></details>"
        )
    }

    fn section<'p>(
        &self,
        organization: &Organization,
        members: impl Iterator<Item = (&'p Person, &'p str)>,
    ) -> String {
        let mut members: Vec<_> = members.take(MEMBERS_SHOWN).collect();
        members.sort_by_key(|(person, _)| (!self.is_hinted(person), person.name.as_str()));
        let id = escape(organization.id.as_str());
        let mut html = format!(
            "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{} <small>{}</small></h2><ul>",
            escape(&organization.display_name),
            escape(&organization.name)
        );
        if members.is_empty() {
            html.push_str("<li class=\"empty\">Nobody is a member yet.</li>");
        }
        for (person, role) in members {
            html.push_str(&self.choice(person, Some(organization), role));
        }
        html.push_str("</ul></section>");
        html
    }

    fn choice(&self, person: &Person, organization: Option<&Organization>, role: &str) -> String {
        let mut fields = hidden("transaction", self.transaction);
        fields.push_str(&hidden("subject", &person.subject));
        if let Some(organization) = organization {
            fields.push_str(&hidden("organization", organization.id.as_str()));
        }
        let hinted = if self.is_hinted(person) { HINTED } else { "" };
        let initials: String =
            person.name.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect();
        // Seven tones, so that the same person has the same one on every page.
        let tone = person.subject.bytes().map(u32::from).sum::<u32>() % 7;
        format!(
            "<li><form method=\"post\" action=\"/authorize/choose\">{fields}\
             <button type=\"submit\"{hinted}>\
             <span class=\"avatar tone{tone}\" aria-hidden=\"true\">{initials}</span>\
             <span class=\"who\"><span class=\"hidden\">Continue as </span>\
             <b>{name}</b> <span class=\"email\">{email}</span></span> \
             <span class=\"role\">{role}</span></button></form></li>",
            initials = escape(&initials),
            name = escape(&person.name),
            email = escape(&person.email),
            role = escape(&role.replace('_', " ")),
        )
    }

    fn is_hinted(&self, person: &Person) -> bool {
        match self.request.login_hint.as_deref() {
            Some(hint) => person.matches_hint(hint),
            None => self.signed_in.is_some_and(|signed_in| signed_in.subject == person.subject),
        }
    }

    fn request_details(&self) -> String {
        let request = self.request;
        let rows = [
            ("Returns to", Some(request.callback.redirect_uri.as_str())),
            ("Scope", Some(&*request.scope.to_string())),
            ("Audience", request.audience.as_deref()),
            ("Connection", request.connection.as_deref()),
            ("Login hint", request.login_hint.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .fold(String::new(), |mut html, (name, value)| {
            let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
            html
        });
        format!(
            "<details><summary>What the application asked for</summary><dl>{rows}</dl></details>"
        )
    }
}

fn lead(organization: Option<&Organization>) -> String {
    let text = match organization {
        Some(organization) => format!(
            "Choose a member of <strong>{}</strong> to continue as.",
            escape(&organization.display_name)
        ),
        None => "Choose a person, in the organization they act for.".to_owned(),
    };
    format!("<p class=\"lead\">{text}</p>")
}
