use actix_web::test::TestRequest;
use serde_json::json;
use tenancy::{Evidence, TenantId};
use tenant_cache::Operation;
use uuid::Uuid;

use super::*;

const JOB: &str = "0191f1c0-5a5a-7000-8000-00000000abcd";

fn scope() -> TenantScope {
    #[expect(clippy::disallowed_methods, reason = "there is nothing to verify in a unit test")]
    TenantScope::from_verified(
        TenantId::from_uuid(Uuid::nil()),
        "org_a".parse().unwrap(),
        Evidence::SystemTask("test"),
    )
}

fn of_body(body: &Value) -> Result<Selection, ApiError> {
    let values = body.as_object().unwrap().clone();
    Asked { is_query: false, values }.resolve(&scope())
}

fn of_query(query: &str) -> Result<Selection, ApiError> {
    Asked { is_query: true, values: values_of(query)? }.resolve(&scope())
}

fn faults(result: Result<Selection, ApiError>) -> Vec<(String, &'static str)> {
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    error.errors().iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
}

#[test]
fn bodies_and_queries_say_the_same() {
    let list = PurgeTarget::Operation(Operation::JobsList);
    let job = PurgeTarget::Entity(Operation::JobsItem, JOB.parse().unwrap());
    let item = format!("jobs:item:all:{JOB}");
    for (body, query, expected) in [
        (json!({"all": true}), "all=true".to_owned(), vec![PurgeTarget::Everything]),
        (
            json!({"feature": "jobs"}),
            "feature=jobs".to_owned(),
            vec![PurgeTarget::Feature(Feature::Jobs)],
        ),
        (
            json!({"feature": "jobs", "prefix": "list:all"}),
            "feature=jobs&prefix=list%3Aall".to_owned(),
            vec![list],
        ),
        (json!({"tag": format!("job-{JOB}")}), format!("tag=job-{JOB}"), vec![job]),
        (
            json!({"keys": ["jobs:list:all:a,b", item]}),
            format!("keys=jobs:list:all:a,b&keys={item}"),
            vec![list, job],
        ),
        (
            json!({"keys": ["tenant:{org_a:jobs}:list:all"], "mode": "hard"}),
            "keys=tenant:%7Borg_a:jobs%7D:list:all&mode=hard".to_owned(),
            vec![list],
        ),
    ] {
        for is_dry_run in [false, true] {
            let mut body = body.clone();
            let mut query = query.clone();
            if is_dry_run {
                body["dry_run"] = true.into();
                query.push_str("&dry_run=true");
            }
            let targets = expected.iter().copied().collect();
            let expected = Selection { targets, mode: PurgeMode::Hard, is_dry_run };
            assert_eq!(of_body(&body).unwrap(), expected, "{body}");
            assert_eq!(of_query(&query).unwrap(), expected, "{query}");
        }
    }
}

#[test]
fn what_is_dropped_softly_is_said_to_be() {
    for (mode, expected) in [("soft", PurgeMode::Soft), ("hard", PurgeMode::Hard)] {
        let body = json!({"all": true, "mode": mode});
        assert_eq!(of_body(&body).unwrap().mode, expected);
        assert_eq!(of_query(&format!("all=true&mode={mode}")).unwrap().mode, expected);
    }
}

#[test]
fn exactly_one_thing_is_said() {
    for body in [
        json!({}),
        json!({"dry_run": true}),
        json!({"prefix": "list"}),
        json!({"all": true, "feature": "jobs"}),
        json!({"tag": "list", "feature": "jobs"}),
        json!({"keys": ["jobs:list"], "all": true}),
    ] {
        assert_eq!(faults(of_body(&body)), [("#".to_owned(), "contradiction")], "{body}");
    }
    assert_eq!(faults(of_query("")), [("query:".to_owned(), "contradiction")]);
    let prefix = json!({"tag": "list", "prefix": "list"});
    assert_eq!(faults(of_body(&prefix)), [("#/prefix".to_owned(), "contradiction")]);
}

#[test]
fn whatever_is_no_name_of_ours_is_refused_where_it_stands() {
    let stars = "*".repeat(64 * 1024);
    for (body, pointer, code) in [
        (json!({"all": false}), "#/all", "out_of_range"),
        (json!({"all": "true"}), "#/all", "wrong_type"),
        (json!({"feature": "*"}), "#/feature", "unknown"),
        (json!({"feature": "job*"}), "#/feature", "unknown"),
        (json!({"feature": "jobs}"}), "#/feature", "unknown"),
        (json!({"feature": null}), "#/feature", "wrong_type"),
        (json!({"feature": "jobs", "prefix": ""}), "#/prefix", "malformed"),
        (json!({"feature": "jobs", "prefix": "*"}), "#/prefix", "malformed"),
        (json!({"feature": "jobs", "prefix": stars}), "#/prefix", "malformed"),
        (json!({"feature": "jobs", "prefix": "!g"}), "#/prefix", "malformed"),
        (json!({"feature": "jobs", "prefix": "nothing"}), "#/prefix", "unknown"),
        (json!({"feature": "jobs", "prefix": 1}), "#/prefix", "wrong_type"),
        (json!({"tag": "*"}), "#/tag", "unknown"),
        (json!({"tag": stars}), "#/tag", "unknown"),
        (json!({"keys": []}), "#/keys", "out_of_range"),
        (json!({"keys": "jobs:list"}), "#/keys", "out_of_range"),
        (json!({"keys": vec!["jobs:list"; 101]}), "#/keys", "out_of_range"),
        (json!({"keys": [7]}), "#/keys/0", "wrong_type"),
        (json!({"keys": ["jobs:list", "*"]}), "#/keys/1", "other_namespace"),
        (json!({"keys": [stars]}), "#/keys/0", "malformed"),
        (json!({"keys": ["tenant:{org_b:jobs}:list"]}), "#/keys/0", "other_namespace"),
        (json!({"keys": ["jobs:list:\u{0}"]}), "#/keys/0", "malformed"),
        (json!({"all": true, "mode": "HARD"}), "#/mode", "unknown"),
        (json!({"all": true, "dry_run": "yes"}), "#/dry_run", "wrong_type"),
        (json!({"all": true, "org": "org_b"}), "#/org", "unknown"),
        (json!({"all": true, "a/b~": 1}), "#/a~1b~0", "unknown"),
    ] {
        assert_eq!(faults(of_body(&body)), [(pointer.to_owned(), code)], "{body:.80}");
    }
    for query in ["all=1", "dry_run=true&all=yes", "all=true&all=true", "org=org_b", "keys=%00"] {
        assert!(!faults(of_query(query)).is_empty(), "{query}");
    }
    assert_eq!(of_query(&format!("tag={stars}")).unwrap_err().code(), ErrorCode::InvalidParameter);
}

#[actix_web::test]
async fn both_at_once_is_a_contradiction() {
    let asked = async |query: &str, body: &'static str| {
        let (request, mut payload) = TestRequest::delete()
            .uri(&format!("/api/cache/invalidate{query}"))
            .insert_header(("Content-Type", "application/json"))
            .set_payload(body)
            .to_http_parts();
        Asked::from_request(&request, &mut payload).await
    };
    assert!(asked("?all=true", "").await.unwrap().is_query);
    assert!(!asked("", r#"{"all":true}"#).await.unwrap().is_query);
    let both = asked("?all=true", r#"{"feature":"jobs"}"#).await.unwrap_err();
    assert_eq!(both.code(), ErrorCode::InvalidParameter);
    assert_eq!(asked("", "{").await.unwrap_err().code(), ErrorCode::MalformedJson);
}
