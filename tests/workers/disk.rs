//! What workers have become, on disk: a restart finds it, a new version does not.

use super::{code, fetched, register, says};
use crate::support::{Caller, Server, Setup, eventually};

/// A line of the metrics, once it is there.
async fn told(server: &Server, line: &str) {
    eventually(line, async || server.metrics().await.lines().any(|found| found == line).then_some(())).await;
}

#[tokio::test]
async fn a_restart_finds_images_and_serves_none_of_an_old_version() {
    let mut server = Server::start(Setup::production()).await;
    let source = "
        const made = { table: new Map([['key', 'value']]) }; let runs = 0;
        export default { fetch: () => Response.json([++runs, made.table.get('key')]) }";
    register(&server, Caller::Tenant, "kept", &code(source)).await;
    register(&server, Caller::Tenant, "new", &says("old")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "kept", "/").await.text, r#"[1,"value"]"#);
    assert_eq!(fetched(&server, Caller::Tenant, "new", "/").await.text, "old");
    told(&server, "doer_workers_kept 2").await;
    told(&server, "doer_worker_origins_total{origin=\"disk\"} 0").await;
    server.kill();
    server.restart().await;
    told(&server, "doer_workers_kept 2").await;
    for _ in 0..2 {
        assert_eq!(fetched(&server, Caller::Tenant, "kept", "/").await.text, r#"[1,"value"]"#);
    }
    told(&server, "doer_worker_origins_total{origin=\"disk\"} 1").await;
    told(&server, "doer_worker_origins_total{origin=\"made\"} 0").await;

    register(&server, Caller::Tenant, "new", &says("new")).await;
    server.kill();
    server.restart().await;
    assert_eq!(fetched(&server, Caller::Tenant, "new", "/").await.text, "new");
    told(&server, "doer_worker_origins_total{origin=\"made\"} 1").await;
    told(&server, "doer_worker_origins_total{origin=\"disk\"} 0").await;
    for id in ["new", "kept"] {
        assert_eq!(server.client.delete(Caller::Tenant, &format!("/workers/{id}")).await.status, 204);
    }
    told(&server, "doer_workers_kept 0").await;
}

#[tokio::test]
async fn nothing_is_kept_where_there_is_no_room_for_it() {
    let server = Server::start(Setup::production().config("[workers]\ndisk_mib = 0\n")).await;
    register(&server, Caller::Tenant, "a", &says("a")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "a", "/").await.text, "a");
    told(&server, "doer_workers_kept_bytes 0").await;
    assert!(!server.data.path().join("cache/workers").exists());
}
