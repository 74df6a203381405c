//! A tenant that is suspended while it has things to do.

use std::fs;

use serde_json::json;

use crate::{
    services::fixtures::smtp::Smtp,
    support::{Caller, DataDir, Server, Setup, doer, eventually},
};

fn tenant(data: &DataDir, verb: &str) {
    let out = doer().args(["tenant", verb, "test-tenant"]).env("DOER__DATA__DIR", data.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

async fn send(server: &Server, caller: Caller, to: &str) -> String {
    let params = json!({ "to": to, "subject": "Hi", "body": "Hi" });
    let answer = server.client.post(caller, "/rpc/email/send", &json!({ "params": params })).await;
    answer.at("/result/id").as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[tokio::test]
async fn its_mails_wait_and_are_sent_once_it_goes_on() {
    let smtp = Smtp::start().await;
    // Accepted while there is nobody to hand it to.
    let mut server = Server::start(Setup::production()).await;
    let held = send(&server, Caller::RpcTenant, "held@example.com").await;
    tenant(&server.data, "suspend");
    let refused = server.client.post(Caller::RpcTenant, "/rpc/email/listEmails", &json!({})).await;
    refused.assert_refused(403, "forbidden");
    let params = json!({ "id": held, "namespace": "tenant:test-tenant" });
    let within = server.client.post(Caller::Admin, "/rpc/email/getEmailStatus", &json!({ "params": params })).await;
    within.assert_refused(403, "forbidden");

    server.kill();
    let port = smtp.address.port();
    let config = format!("[services.email.smtp]\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'");
    fs::write(server.data.path().join("test.toml"), config).unwrap();
    server.restart().await;
    send(&server, Caller::OtherRpcTenant, "other@example.com").await;
    let received = smtp.wait_for(1).await;
    assert_eq!(received[0].to, ["other@example.com"], "those of others do not wait for it");
    assert_eq!(smtp.received().len(), 1);

    tenant(&server.data, "resume");
    let status = eventually("it is sent", async || {
        let params = json!({ "params": { "id": held } });
        let mail = server.client.post(Caller::RpcTenant, "/rpc/email/getEmailStatus", &params).await;
        (mail.at("/result/status") == "sent").then(|| mail.at("/result/attempts").clone())
    })
    .await;
    assert_eq!(status, 1);
    assert_eq!(smtp.wait_for(2).await[1].to, ["held@example.com"]);
}
