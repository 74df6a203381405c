use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    tier::Tier,
};

use super::*;
use crate::config::Sources;

fn caller(role: Option<&str>) -> Caller {
    let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
    context.auth = Identity {
        authenticated: role.is_some(),
        user: role.map(|role| User {
            id: "usr_1".to_owned(),
            email: "u@example.com".to_owned(),
            name: None,
            role: Some(role.to_owned()),
            permissions: vec!["*".to_owned()],
            metadata: [("tenantId".to_owned(), "acme".into())].into(),
        }),
        session: None,
        api_key: None,
    };
    Caller::new(context)
}

fn decide(role: &str, route: Route, body: &str) -> Result<Plan, (ErrorCode, String)> {
    let config = Sources::default().load().unwrap();
    let request = ExecuteRequest::decode(body.as_bytes()).unwrap();
    let caller = caller(Some(role));
    Plan::decide(request, &caller, route, &config.limits.of(caller.tier, None))
        .map_err(|error| (error.code, error.message.into_owned()))
}

fn execute(role: &str, body: &str) -> Result<Plan, (ErrorCode, String)> {
    decide(role, Route::Execute, body)
}

#[test]
fn the_timeout_is_the_tiers_or_less() {
    let wall = |role, body| execute(role, body).map(|plan| plan.limits.wall.as_millis());
    assert_eq!(wall("admin", r#"{"code": ""}"#), Ok(30_000));
    assert_eq!(wall("user", r#"{"code": ""}"#), Ok(10_000));
    assert_eq!(wall("tenant", r#"{"code": "", "timeout": 30000}"#), Ok(30_000));
    assert_eq!(wall("tenant", r#"{"code": "", "timeout": 1}"#), Ok(1));
    let message = "Timeout 60000ms exceeds maximum 30000ms for your tier".to_owned();
    assert_eq!(wall("tenant", r#"{"code": "", "timeout": 60000}"#), Err((ErrorCode::Forbidden, message)));
    assert_eq!(wall("tenant", r#"{"code": "", "timeout": 0}"#).unwrap_err().0, ErrorCode::InvalidRequest);
}

#[test]
fn other_limits_go_downwards_only() {
    let body = r#"{"code": "", "limits": {"cpuMs": 5, "fuel": 0, "memoryMb": 99999, "outputBytes": 1, "calls": 0}}"#;
    let limits = execute("tenant", body).unwrap().limits;
    let tier = Limits::of(Tier::Tenant);
    assert_eq!((limits.cpu, limits.startup_cpu), (Duration::from_millis(5), Duration::from_millis(5)));
    assert_eq!((limits.fuel, limits.calls, limits.output_bytes), (0, 0, 1));
    assert_eq!(limits.memory_bytes, tier.memory_bytes);
}

#[test]
fn bindings_are_the_tiers() {
    assert!(execute("tenant", r#"{"code": "", "bindings": ["db", "email"]}"#).is_ok());
    let message = "Access denied to bindings: auth, nope. Available: db, email, queue".to_owned();
    let refused = execute("tenant", r#"{"code": "", "bindings": ["auth", "db", "nope"]}"#).unwrap_err();
    assert_eq!(refused, (ErrorCode::Forbidden, message));
}

#[test]
fn code_has_a_size() {
    let body = |bytes: usize| format!(r#"{{"code": "{}"}}"#, "x".repeat(bytes));
    assert!(execute("user", &body(1 << 20)).is_ok());
    let (code, message) = execute("user", &body((1 << 20) + 1)).unwrap_err();
    assert_eq!(code, ErrorCode::CodeTooLarge);
    assert_eq!(message, "Code size 1048577 bytes exceeds maximum 1048576 bytes for your tier");
}

#[test]
fn own_ids_are_plain() {
    assert_eq!(execute("admin", r#"{"code": "", "executionId": "a-B_1.2:3"}"#).unwrap().id.as_str(), "a-B_1.2:3");
    for bad in ["", "a/b", "a b", "..", "é", &"a".repeat(129)] {
        let body = format!(r#"{{"code": "", "executionId": "{bad}"}}"#);
        assert_eq!(execute("admin", &body).unwrap_err().0, ErrorCode::InvalidRequest, "{bad}");
    }
}

#[test]
fn evaluation_has_neither_bindings_nor_context() {
    let plan = decide("tenant", Route::Eval, r#"{"code": "", "captureFetch": true}"#).unwrap();
    assert_eq!((plan.surface, plan.capture_fetch), (Surface::Pure, false));
    for body in [r#"{"code": "", "bindings": ["db"]}"#, r#"{"code": "", "props": {}}"#] {
        assert_eq!(decide("tenant", Route::Eval, body).unwrap_err().0, ErrorCode::InvalidRequest, "{body}");
    }
}

#[test]
fn the_context_is_the_callers() {
    let plan = execute("tenant", r#"{"code": "", "props": {"a": 1}}"#).unwrap();
    let context: serde_json::Value = serde_json::from_str(plan.context.get()).unwrap();
    assert_eq!(context["props"]["a"], 1);
    assert_eq!(context["user"]["id"], "usr_1");
    assert_eq!(context["namespace"], "tenant:acme");
    assert_eq!(context["authenticated"], true);
    assert_eq!(context["requestId"], "req_1");
}

#[test]
fn a_cached_result_is_found_only_by_the_same_question() {
    let key = |role: &str, route, body: &str| decide(role, route, body).unwrap().cache_key.unwrap();
    let base = r#"{"code": "1", "cacheKey": "k"}"#;
    let first = key("tenant", Route::Execute, base);
    assert!(first == key("tenant", Route::Execute, base));
    assert!(first != key("admin", Route::Execute, base), "another namespace");
    assert!(first != key("tenant", Route::Eval, base), "another route");
    for other in [
        r#"{"code": "2", "cacheKey": "k"}"#,
        r#"{"code": "1", "cacheKey": "l"}"#,
        r#"{"code": "1", "cacheKey": "k", "language": "typescript"}"#,
        r#"{"code": "1", "cacheKey": "k", "input": null}"#,
        r#"{"code": "1", "cacheKey": "k", "props": {}}"#,
        r#"{"code": "1", "cacheKey": "k", "bindings": []}"#,
        r#"{"code": "1", "cacheKey": "k", "timeout": 5}"#,
        r#"{"code": "1", "cacheKey": "k", "truncate": true}"#,
        r#"{"code": "1", "cacheKey": "k", "captureConsole": false}"#,
    ] {
        assert!(first != key("tenant", Route::Execute, other), "{other}");
    }
}
