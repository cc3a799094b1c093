//! Who can sign in: dev-auth0's list of people as a short table.

use serde_json::Value;

/// Roles in the order in which they are shown.
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
        for role in ROLES {
            let names: Vec<&str> = people
                .iter()
                .filter(|person| has_role(person, id, role))
                .filter_map(|person| person.get("name")?.as_str())
                .collect();
            if !names.is_empty() {
                lines.push(format!("  {role:<15} {}", shortened(&names)));
            }
        }
    }
    Some(lines)
}

fn has_role(person: &Value, organization: &str, role: &str) -> bool {
    let memberships = person.get("memberships").and_then(Value::as_array);
    memberships.into_iter().flatten().any(|membership| {
        membership.get("org").and_then(Value::as_str) == Some(organization)
            && membership.get("role").and_then(Value::as_str) == Some(role)
    })
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
              "memberships": [{ "org": "org_A", "role": "recruiter" }, { "org": "org_B", "role": "owner" }] },
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
                "  owner           Ben",
                "  recruiter       Ada",
                "mill (org_B)",
                "  owner           Ada",
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
