//! Who can sign in: dev-auth0's list of people as a short table.

use serde_json::Value;

/// Roles in the order in which they are shown; others come after them.
const ROLES: [&str; 5] = ["owner", "admin", "recruiter", "hiring_manager", "viewer"];

/// Names shown of one role; the sign-in page lists everybody.
const NAMES: usize = 3;

/// One line an organization, one a role below it. `None` when the text is not such a list.
pub(crate) fn table(text: &str) -> Option<Vec<String>> {
    let list: Value = serde_json::from_str(text).ok()?;
    let people = list.get("people")?.as_array()?;
    let mut lines = Vec::new();
    for organization in list.get("organizations")?.as_array()? {
        let id = organization.get("id")?.as_str()?;
        let name =
            organization.get("display_name").or_else(|| organization.get("name"))?.as_str()?;
        lines.push(format!("{name} ({id})"));
        let mut members: Vec<(&str, Vec<&str>)> =
            ROLES.iter().map(|role| (*role, Vec::new())).collect();
        for person in people {
            let Some(role) = role_in(person, id) else { continue };
            let name = person.get("name")?.as_str()?;
            match members.iter_mut().find(|(known, _)| *known == role) {
                Some((_, names)) => names.push(name),
                None => members.push((role, vec![name])),
            }
        }
        members.retain(|(_, names)| !names.is_empty());
        lines.extend(
            members.iter().map(|(role, names)| format!("  {role:<17} {}", shortened(names))),
        );
    }
    Some(lines)
}

fn role_in<'a>(person: &'a Value, organization: &str) -> Option<&'a str> {
    let memberships = person.get("memberships")?.as_array()?;
    memberships
        .iter()
        .find(|membership| membership.get("org").and_then(Value::as_str) == Some(organization))?
        .get("role")?
        .as_str()
}

fn shortened(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: &str = r#"{
        "organizations": [
            { "id": "org_A", "name": "harbor", "display_name": "Harbor Health" },
            { "id": "org_B", "name": "mill" }
        ],
        "people": [
            { "subject": "auth0|1", "name": "Ada", "email": "ada@harbor.example",
              "memberships": [{ "org": "org_A", "role": "recruiter" }, { "org": "org_B", "role": "caretaker" }] },
            { "subject": "auth0|2", "name": "Ben", "email": "ben@harbor.example",
              "memberships": [{ "org": "org_A", "role": "owner" }] }
        ]
    }"#;

    #[test]
    fn people_are_listed_by_organization_and_role() {
        let lines = table(PEOPLE).unwrap();
        assert_eq!(
            lines,
            [
                "Harbor Health (org_A)",
                "  owner             Ben",
                "  recruiter         Ada",
                "mill (org_B)",
                "  caretaker         Ada",
            ]
        );
    }

    #[test]
    fn many_names_are_counted_and_nonsense_is_no_table() {
        assert_eq!(shortened(&["A", "B", "C", "D", "E"]), "A, B, C and 2 more");
        assert_eq!(table("[]"), None);
        assert_eq!(table("not json"), None);
    }
}
