//! Rules that no single crate can keep by itself: who may use whom, and tables that must agree.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails where it stands"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use tenancy::JobField;
use tenant_cache::Operation;
use tenant_cache::registry::MadeOf;

fn workspace() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn root() -> PathBuf {
    workspace().workspace_root.into_std_path_buf()
}

/// What each crate may use of ours, and the outside crates that only some may use.
fn allowed_edges() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("tenancy", vec![]),
        ("redis-provider", vec![]),
        ("sealing", vec![]),
        ("tenant-cache", vec!["tenancy", "redis-provider", "sealing"]),
        ("session-store", vec!["tenancy", "redis-provider", "sealing"]),
        ("employer-store", vec!["tenancy"]),
        ("event-notifier", vec!["tenancy", "redis-provider", "employer-store", "sealing"]),
        (
            "portal-api",
            vec!["tenancy", "tenant-cache", "session-store", "event-notifier", "employer-store"],
        ),
        (
            "portal",
            vec![
                "tenancy",
                "redis-provider",
                "sealing",
                "tenant-cache",
                "session-store",
                "event-notifier",
                "employer-store",
                "portal-api",
            ],
        ),
    ])
}

/// Outside crates behind a fence, and who stands inside it.
const FENCED: &[(&str, &[&str])] = &[
    ("fred", &["redis-provider"]),
    ("sqlx", &["employer-store"]),
    ("flate2", &["tenant-cache"]),
    ("actix-session", &["session-store", "portal-api"]),
    ("jsonwebtoken", &["portal-api"]),
    ("actix-multipart", &["portal-api"]),
    ("object_store", &["portal"]),
    ("reqwest", &["redis-provider", "portal-api", "event-notifier"]),
    ("tracing-subscriber", &["portal"]),
    ("clap", &["portal"]),
];

/// Crates that no rule of the product binds: they are never linked into it.
const EXEMPT: &[&str] = &[
    "dev-auth0",
    "dev-redis-cluster",
    "dev-s3",
    "dev-upstash",
    "xtask",
    "portal-model-tests",
    "portal-tests",
];

fn uses(package: &Package) -> BTreeSet<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.clone())
        .collect()
}

#[test]
fn crates_use_only_whom_they_may() {
    let metadata = workspace();
    let allowed = allowed_edges();
    let ours: BTreeSet<String> =
        metadata.packages.iter().map(|package| package.name.to_string()).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if EXEMPT.contains(&name) {
            continue;
        }
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no row in the table"));
        for used in uses(package) {
            if ours.contains(&used) {
                assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
            }
            if let Some((_, inside)) = FENCED.iter().find(|(fenced, _)| *fenced == used) {
                assert!(inside.contains(&name), "{name} must not use {used}");
            }
        }
    }
}

#[test]
fn development_tools_are_not_linked_into_the_product() {
    for package in workspace().packages {
        if EXEMPT.contains(&package.name.as_str()) {
            continue;
        }
        for tool in EXEMPT {
            assert!(!uses(&package).contains(*tool), "{} uses {tool}", package.name);
        }
    }
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    for package in workspace().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.name);
    }
}

/// The rows of the first Markdown table below `heading` in `text`, cell by cell.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let below = text.split(heading).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    below
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_readmes_cache_table_is_the_registry() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let documented: BTreeSet<Vec<String>> =
        table(&readme, "## What is cached").into_iter().collect();
    let registered: BTreeSet<Vec<String>> = Operation::ALL
        .into_iter()
        .map(|operation| {
            let policy = operation.policy();
            let respects: Vec<&str> =
                policy.told_apart_by.iter().map(|respect| respect.as_str()).collect();
            vec![
                format!("`{}:{}`", operation.feature(), operation.name()),
                policy.ttl.as_secs().to_string(),
                quoted(policy.dropped_by.iter().map(|event| event.as_str())),
                made_of(policy.made_of),
                respects.join(", "),
            ]
        })
        .collect();
    assert_eq!(documented, registered);
}

fn made_of(parts: MadeOf) -> String {
    let fields = |fields: &[JobField]| quoted(fields.iter().map(|field| field.as_str()));
    match parts {
        MadeOf::Everything => "everything".to_owned(),
        MadeOf::Fields { of_all, of_published: [] } => format!("state, {}", fields(of_all)),
        MadeOf::Fields { of_all, of_published } => {
            format!("state, {}; of published jobs also {}", fields(of_all), fields(of_published))
        }
    }
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Rust files of the workspace that people write.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_file_is_past_five_hundred_lines() {
    for path in sources(&root()) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn scopes_are_made_in_few_places_and_each_is_known() {
    let makers: BTreeSet<String> = sources(&root().join("crates"))
        .into_iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            // Unit tests may have a file of their own: `mod tests;` behind `#[cfg(test)]`.
            let place = path.to_string_lossy();
            let is_test = ["/tests/", "/benches/"].iter().any(|part| place.contains(part))
                || path.ends_with("tests.rs");
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let makes_one = |line: &str| {
                line.contains("TenantScope::from_verified(") && !line.trim_start().starts_with("//")
            };
            product.lines().any(makes_one) && !is_test
        })
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    let known: BTreeSet<String> = [
        // Behind the feature `testing`, for tenants that tests have just made.
        "crates/employer-store/src/testing.rs",
        // A message of the identity provider: an ID token, a logout token or an event.
        "crates/portal-api/src/auth/provider_access.rs",
        // A change of a tenant's status, written by the operators' own role.
        "crates/portal-api/src/operator/tenants.rs",
        // A board that was found by its name; whoever knows it may do what everybody may.
        "crates/portal-api/src/public/apply.rs",
        // A key whose hash fits and whose creator is a member.
        "crates/portal-api/src/auth/api_keys/mod.rs",
        // A token of the identity provider, for a member or for an organization that is here.
        "crates/portal-api/src/auth/bearer.rs",
        // A session whose member the database knows.
        "crates/portal-api/src/auth/principal.rs",
        // An export's row, written under row level security by the tenant it names.
        "crates/portal-api/src/exports/worker.rs",
        // An outbox row, written under row level security by the tenant it names.
        "crates/portal/src/invalidator.rs",
        // A sign-in whose membership was verified, and the row of a session.
        "crates/portal/src/ledger.rs",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(makers, known, "a new maker of scopes needs a reason, and a line here");
}

#[test]
fn the_settings_reference_names_every_setting() {
    let defaults = std::fs::read_to_string(root().join("config/default.toml")).unwrap();
    let defaults: toml::Table = defaults.parse().unwrap();
    let settings: BTreeMap<String, String> = defaults
        .iter()
        .flat_map(|(section, values)| {
            let values = values.as_table().unwrap().iter();
            values.map(move |(key, value)| {
                let text = match value {
                    toml::Value::String(text) => text.clone(),
                    toml::Value::Integer(number) => number.to_string(),
                    toml::Value::Boolean(yes) => yes.to_string(),
                    other => panic!("{other:?} is of a type that the reference does not show"),
                };
                (format!("{section}.{key}"), text)
            })
        })
        .collect();
    let reference = std::fs::read_to_string(root().join("config/README.md")).unwrap();
    let documented: BTreeMap<String, String> = table(&reference, "# Settings")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[2].trim_matches('`').to_owned()))
        .collect();
    assert_eq!(documented, settings);
}

/// The rights in a text of ACL rules.
fn rights(rules: &str) -> BTreeSet<String> {
    rules.split_whitespace().filter(|rule| rule.starts_with('+')).map(str::to_owned).collect()
}

#[test]
fn the_least_rights_in_the_manual_are_those_that_are_tested() {
    let users = root().join("crates/dev-redis-cluster/src/users.rs");
    let users = std::fs::read_to_string(users).unwrap();
    let tested = users.split("const LEAST: &str = \"").nth(1).unwrap();
    let tested = tested.split("\";").next().unwrap().replace('\\', " ");
    let manual = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let documented = manual.lines().find(|line| line.starts_with("on ~* &* +")).unwrap();
    assert_eq!(rights(documented), rights(&tested));
}

#[test]
fn the_manual_explains_every_setting_of_redis_and_the_cache() {
    let defaults = std::fs::read_to_string(root().join("config/default.toml")).unwrap();
    let defaults: toml::Table = defaults.parse().unwrap();
    let manual = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    for section in ["redis", "cache"] {
        let settings = defaults.get(section).and_then(toml::Value::as_table).unwrap();
        for key in settings.keys() {
            assert!(manual.contains(&format!("`{section}.{key}`")), "{section}.{key}");
        }
    }
}

#[test]
fn the_answers_on_security_name_tests_that_exist() {
    let answers = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let code: String = ["crates", "tests"]
        .into_iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut named = 0;
    for heading in ["## Level 1", "## Level 2: authentication", "## Level 2: logging"] {
        for row in table(&answers, heading) {
            let tests = row.get(2).unwrap_or_else(|| panic!("{row:?} says nothing of tests"));
            for test in tests.split('`').skip(1).step_by(2) {
                assert!(code.contains(&format!("fn {test}(")), "{}: there is no {test}", row[0]);
                named += 1;
            }
        }
    }
    assert!(named > 80, "{named}");
}
