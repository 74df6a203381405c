//! Keys and sessions: what they prove, for how long, and that nobody gets more through them.

use std::{sync::Arc, time::Duration};

use doer_core::{
    service::{
        Code,
        auth::{
            ApiKeyOptions, Auth, CreateApiKey, CreateUser, GetUser, GrantPermission, ListApiKeys, RefreshSession,
            RevokeApiKey, RevokeSession, UserOptions,
        },
    },
    time::Clock,
};
use doer_services::{
    auth::{Authority, Settings, audit::Actor},
    keys::{KeyStore, NewKey},
};

use crate::setup::{KEY, Setup, admin, caller, owned, role, within};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn cli_key() -> NewKey {
    NewKey {
        name: "ci".to_owned(),
        user_id: "usr_elsewhere".to_owned(),
        email: "ada@example.com".to_owned(),
        role: "tenant".to_owned(),
        tenant: Some("acme".to_owned()),
        permissions: owned(&["execute"]),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_key_of_the_command_line_holds_until_another_process_revokes_it() {
    let setup = Setup::new(Settings::default());
    let cli = KeyStore::open(&setup.path()).unwrap();
    let now = setup.clock.now_ms();
    let (record, secret) = cli.create(cli_key(), now).unwrap();
    let proved = setup.proves(secret.reveal()).await.unwrap();
    assert_eq!(proved, record.clone().into_identity());
    assert_eq!(caller(proved).namespace.as_str(), "tenant:acme");

    let text = secret.reveal();
    let last = if text.ends_with('A') { "E" } else { "A" };
    assert_eq!(setup.proves(&format!("{}{last}", &text[..text.len() - 1])).await, None, "a guess with the right id");
    assert_eq!(setup.proves(&format!("{text}A")).await, None);

    let (_, short) = cli.create(NewKey { expires_at: Some(now + 10), ..cli_key() }, now).unwrap();
    setup.advance(Duration::from_millis(9));
    assert!(setup.proves(short.reveal()).await.is_some());
    setup.advance(Duration::from_millis(1));
    assert!(setup.proves(short.reveal()).await.is_none());

    assert!(cli.revoke(&record.id, now + 10).unwrap());
    assert_eq!(setup.proves(secret.reveal()).await, None);
}

#[tokio::test]
async fn keys_that_an_older_doer_has_made_go_on_to_hold() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.db");
    let secret = "sk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE keys (id TEXT PRIMARY KEY NOT NULL, hash BLOB NOT NULL, name TEXT NOT NULL, user_id TEXT NOT NULL,
            email TEXT NOT NULL, role TEXT NOT NULL, tenant TEXT, permissions TEXT NOT NULL, created_at INTEGER NOT NULL,
            expires_at INTEGER, revoked_at INTEGER) STRICT, WITHOUT ROWID;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    let hash: [u8; 32] = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(secret)).into();
    old.execute(
        "INSERT INTO keys VALUES ('AAAAAAAAAAAA', ?1, 'ci', 'admin', 'admin@localhost', 'admin', NULL, '[\"*\"]', 5, NULL, NULL)",
        [hash],
    )
    .unwrap();
    drop(old);

    let clock = Arc::new(doer_core::time::ManualClock::at(HOUR));
    let authority = Authority::open(&path, KEY, clock, Settings::default()).unwrap();
    let proved = authority.verify(secret).await.unwrap().unwrap();
    assert_eq!(proved.user.unwrap().id, "admin");
    let keys = authority.keys().list().unwrap();
    assert_eq!((keys.len(), keys[0].namespace.as_str()), (1, "*"));
}

#[tokio::test]
async fn a_key_is_worth_what_its_owner_is_worth_now() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute", "rpc:*"])).await;
    let key = setup.key(&within("acme"), &ada, &["execute", "rpc:db"]).await.unwrap();
    let scope = caller(setup.proves(&key.key).await.unwrap());
    assert_eq!(scope.namespace.as_str(), "tenant:acme");
    assert!(scope.context.holds("rpc:db") && !scope.context.holds("rpc:queue"), "the key's list");

    let revoke = doer_core::service::auth::RevokePermission { user_id: ada.id.clone(), permission: "rpc:*".to_owned() };
    setup.auth.revoke_permission(&within("acme"), revoke).await.unwrap();
    assert!(!caller(setup.proves(&key.key).await.unwrap()).context.holds("rpc:db"), "the owner's list");

    assert!(setup.authority.set_disabled(Actor::operator(), &ada.id, true).await.unwrap());
    assert_eq!(setup.proves(&key.key).await, None);
    assert!(setup.authority.set_disabled(Actor::operator(), &ada.id, false).await.unwrap());
    assert!(setup.proves(&key.key).await.is_some());
    assert!(!setup.authority.set_disabled(Actor::operator(), "usr_nobody", true).await.unwrap());
}

#[tokio::test]
async fn a_limited_key_of_an_admin_makes_nothing_greater_than_itself() {
    let setup = Setup::new(Settings::default());
    let great = setup.user(&admin(), "great@example.com", role("admin", &[])).await;
    let service = setup.user(&admin(), "service@example.com", role("service", &["*"])).await;
    let plain = setup.user(&admin(), "plain@example.com", role("user", &["rpc:auth"])).await;
    let key = setup.key(&admin(), &great, &["rpc:auth"]).await.unwrap();
    let limited = caller(setup.proves(&key.key).await.unwrap());

    let code = |outcome: Result<(), doer_core::service::ServiceError>| outcome.map_err(|error| error.code);
    for someone in [&great, &service] {
        assert_eq!(code(setup.session(&limited, someone).await.map(|_| ())), Err(Code::Forbidden));
    }
    assert!(setup.session(&limited, &plain).await.is_ok());
    assert_eq!(code(setup.key(&limited, &great, &["execute"]).await.map(|_| ())), Err(Code::Forbidden));
    assert!(setup.key(&limited, &great, &["rpc:auth"]).await.is_ok());
    for (role_name, permissions) in [("admin", &[][..]), ("user", &["execute"])] {
        let params = CreateUser { email: "new@example.com".to_owned(), options: Some(role(role_name, permissions)) };
        assert_eq!(setup.auth.create_user(&limited, params).await.unwrap_err().code, Code::Forbidden);
    }
    let grant = GrantPermission { user_id: plain.id.clone(), permission: "*".to_owned() };
    assert_eq!(setup.auth.grant_permission(&limited, grant).await.unwrap_err().code, Code::Forbidden);

    let key = setup.key(&admin(), &service, &["*"]).await.unwrap();
    let service_caller = caller(setup.proves(&key.key).await.unwrap());
    for role_name in ["admin", "service"] {
        let params = CreateUser { email: "new@example.com".to_owned(), options: Some(role(role_name, &[])) };
        assert_eq!(setup.auth.create_user(&service_caller, params).await.unwrap_err().code, Code::Forbidden);
    }
    assert_eq!(code(setup.key(&service_caller, &great, &["*"]).await.map(|_| ())), Err(Code::Forbidden));
    assert!(setup.key(&service_caller, &service, &["*"]).await.is_ok(), "oneself");
}

#[tokio::test]
async fn a_namespace_sees_and_touches_only_its_own() {
    let setup = Setup::new(Settings::default());
    let (acme, other) = (within("acme"), within("other"));
    let ada = setup.user(&acme, "ada@example.com", role("tenant", &["execute"])).await;
    let key = setup.key(&acme, &ada, &["execute"]).await.unwrap();
    let session = setup.session(&acme, &ada).await.unwrap();
    for id in [&ada.id, &ada.email] {
        assert_eq!(setup.auth.get_user(&other, GetUser { id: id.clone() }).await.unwrap(), None);
    }
    assert_eq!(setup.key(&other, &ada, &[]).await.unwrap_err().code, Code::NotFound);
    assert_eq!(setup.session(&other, &ada).await.unwrap_err().code, Code::NotFound);
    let grant = GrantPermission { user_id: ada.id.clone(), permission: "execute".to_owned() };
    assert_eq!(setup.auth.grant_permission(&other, grant).await.unwrap_err().code, Code::NotFound);
    assert!(!setup.auth.revoke_api_key(&other, RevokeApiKey { id: key.info.id.clone() }).await.unwrap());
    let revoke = RevokeSession { session_id: session.session.id.clone() };
    assert!(!setup.auth.revoke_session(&other, revoke).await.unwrap());
    let refresh = RefreshSession { refresh_token: session.refresh_token.clone() };
    assert_eq!(setup.auth.refresh_session(&other, refresh.clone()).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(setup.auth.list_api_keys(&other, ListApiKeys { options: None }).await.unwrap().pagination.total, 0);
    assert!(setup.proves(&key.key).await.is_some());
    assert!(setup.auth.refresh_session(&acme, refresh).await.is_ok(), "untouched by the attempt elsewhere");
}

#[tokio::test]
async fn callers_without_credentials_make_nothing() {
    let setup = Setup::new(Settings::default());
    let nobody = caller(Default::default());
    let create = CreateUser { email: "a@example.com".to_owned(), options: None };
    let refused = setup.auth.create_user(&nobody, create).await.unwrap_err();
    assert_eq!(refused.message, "Anonymous callers have no durable storage");
    let revoke = setup.auth.revoke_api_key(&nobody, RevokeApiKey { id: "a".to_owned() }).await;
    assert_eq!(revoke.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn an_access_token_holds_for_an_hour_and_its_session_for_a_week() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&admin(), "ada@example.com", UserOptions::default()).await;
    let first = setup.session(&admin(), &ada).await.unwrap();
    assert_eq!(first.session.expires_at, setup.clock.now_ms() + 7 * 24 * 3_600_000);
    setup.advance(HOUR - Duration::from_secs(1));
    let proved = setup.proves(&first.token).await.unwrap();
    assert_eq!((proved.user.unwrap().id, proved.session.unwrap().id), (ada.id.clone(), first.session.id.clone()));
    setup.advance(Duration::from_secs(1));
    assert_eq!(setup.proves(&first.token).await, None);

    setup.advance(29 * DAY);
    let request = doer_core::id::RequestId::generate();
    let second = setup.authority.refresh(first.refresh_token, &request).await.unwrap().unwrap();
    assert_eq!(second.session.id, first.session.id);
    assert!(setup.proves(&second.token).await.is_some());
    setup.advance(30 * DAY);
    assert_eq!(setup.authority.refresh(second.refresh_token, &request).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_that_was_used_twice_ends_its_session_and_that_is_recorded() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&admin(), "ada@example.com", UserOptions::default()).await;
    let first = setup.session(&admin(), &ada).await.unwrap();
    let request = doer_core::id::RequestId::generate();
    let second = setup.authority.refresh(first.refresh_token.clone(), &request).await.unwrap().unwrap();
    assert_eq!(setup.authority.refresh(first.refresh_token, &request).await.unwrap(), None);
    assert_eq!(setup.proves(&second.token).await, None);
    assert_eq!(setup.authority.refresh(second.refresh_token, &request).await.unwrap(), None);
    assert_eq!(setup.actions().await, ["session.revoked", "session.created", "user.created"]);
}

#[tokio::test]
async fn the_oldest_session_ends_for_one_too_many() {
    let setup = Setup::new(Settings { sessions_per_user: 2, ..Settings::default() });
    let ada = setup.user(&admin(), "ada@example.com", UserOptions::default()).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        setup.advance(Duration::from_secs(1));
        tokens.push(setup.session(&admin(), &ada).await.unwrap().token);
    }
    assert_eq!(setup.proves(&tokens[0]).await, None);
    assert!(setup.proves(&tokens[1]).await.is_some() && setup.proves(&tokens[2]).await.is_some());
}

#[tokio::test]
async fn another_installations_tokens_prove_nothing_and_long_texts_are_not_looked_at() {
    let (one, two) = (Setup::new(Settings::default()), Setup::new(Settings::default()));
    let ada = one.user(&admin(), "ada@example.com", UserOptions::default()).await;
    let session = one.session(&admin(), &ada).await.unwrap();
    let same_key = two;
    assert_eq!(same_key.proves(&session.token).await, None, "no such session there");
    assert_eq!(one.proves(&format!("{}.{}", session.token, "a".repeat(9000))).await, None);
    assert_eq!(one.proves(&"a".repeat(10_000_000)).await, None);
}

#[tokio::test]
async fn tokens_and_passwords_are_nowhere_in_the_file_nor_in_the_record() {
    let setup = Setup::new(Settings::default());
    let password = "correct horse battery staple";
    let options = UserOptions { password: Some(password.to_owned()), ..UserOptions::default() };
    let ada = setup.user(&admin(), "ada@example.com", options).await;
    let session = setup.session(&admin(), &ada).await.unwrap();
    let key = setup.key(&admin(), &ada, &[]).await.unwrap();
    let signature = session.token.rsplit('.').next().unwrap().to_owned();
    for entry in std::fs::read_dir(setup.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [&session.refresh_token[20..], &key.key[20..], &signature, password] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}

#[tokio::test]
async fn an_admins_own_key_stays_at_home() {
    let setup = Setup::new(Settings::default());
    let own = || CreateApiKey { name: "own".to_owned(), permissions: owned(&["rpc:*"]), options: None };
    let key = setup.auth.create_api_key(&admin(), own()).await.unwrap();
    let proved = caller(setup.proves(&key.key).await.unwrap());
    assert_eq!(
        (proved.namespace.as_str(), proved.context.holds("rpc:db"), proved.context.holds("a")),
        ("*", true, false)
    );
    let elsewhere = setup.auth.create_api_key(&within("acme"), own()).await.unwrap_err();
    assert_eq!(elsewhere.code, Code::InvalidRequest);
    let expired = Some(ApiKeyOptions { user_id: None, expires_at: Some(setup.clock.now_ms()) });
    assert!(setup.auth.create_api_key(&admin(), CreateApiKey { options: expired, ..own() }).await.is_err());
}

#[tokio::test]
async fn what_is_of_no_more_use_goes_and_the_rest_stays() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&admin(), "ada@example.com", UserOptions::default()).await;
    let old = setup.session(&admin(), &ada).await.unwrap();
    let key = setup.key(&admin(), &ada, &[]).await.unwrap();
    let kept = setup.key(&admin(), &ada, &[]).await.unwrap();
    setup.auth.revoke_api_key(&admin(), RevokeApiKey { id: key.info.id.clone() }).await.unwrap();
    setup.advance(8 * DAY);
    setup.authority.tidy().await.unwrap();
    let request = doer_core::id::RequestId::generate();
    assert!(setup.authority.refresh(old.refresh_token, &request).await.unwrap().is_some(), "refreshed in time");
    let ids = || async {
        let page = setup.auth.list_api_keys(&admin(), ListApiKeys { options: None }).await.unwrap();
        (page.pagination.total, page.data.into_iter().map(|key| key.id).collect::<Vec<_>>())
    };
    assert_eq!(ids().await.0, 2);
    setup.advance(83 * DAY);
    setup.authority.tidy().await.unwrap();
    assert_eq!(ids().await, (1, vec![kept.info.id]));
    let left = |table: &str| {
        let connection = rusqlite::Connection::open(setup.path()).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((left("sessions"), left("refresh_tokens")), (0, 0));
    assert!(left("audit") > 0);
    setup.advance(366 * DAY);
    setup.authority.tidy().await.unwrap();
    assert_eq!(left("audit"), 0);
}
