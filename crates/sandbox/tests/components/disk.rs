//! Components that were compiled before: native code on disk.

use doer_core::tier::Namespace;
use doer_sandbox::{
    Entrypoint, Sandbox,
    loader::{Key, Registry, Stub},
};
use serde_json::Value;

use crate::{
    common::{block_on, config_on, invocation},
    guest::{ROOM, code, request},
    workers::says,
};

fn stub(registry: &Registry, binary: Vec<u8>) -> Stub {
    let key = Key { namespace: Namespace::parse("tenant:test").unwrap(), id: "component".to_owned() };
    let code = code(binary);
    registry.get(key, move || {
        let code = code.clone();
        async move { Ok(code) }
    })
}

async fn text(stub: &Stub) -> String {
    let outcome = stub.fetch_whole(Entrypoint(None), request("/", ""), invocation(Value::Null)).await.unwrap();
    String::from_utf8(outcome.answer.unwrap().body.to_vec()).unwrap()
}

#[test]
fn a_component_is_compiled_once_also_over_restarts() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new(Sandbox::start(config_on(dir.path(), true).await).await.unwrap(), ROOM);
        assert_eq!(text(&stub(&registry, says("once"))).await, "once");
        while registry.stats().kept == 0 {
            tokio::task::yield_now().await;
        }
        drop(registry);

        let registry = Registry::new(Sandbox::start(config_on(dir.path(), false).await).await.unwrap(), ROOM);
        assert_eq!(text(&stub(&registry, says("once"))).await, "once");
        assert_eq!((registry.stats().loads, registry.stats().from_disk), (1, 1));
        drop(registry);

        let registry = Registry::new(Sandbox::start(config_on(dir.path(), true).await).await.unwrap(), ROOM);
        assert_eq!(text(&stub(&registry, says("another"))).await, "another");
        assert_eq!((registry.stats().loads, registry.stats().from_disk), (1, 0));
    });
}
