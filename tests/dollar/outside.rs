//! `$.api` and `$.send`: requests, mails and webhooks.

use serde_json::json;

use super::{result, thrown};
use crate::{
    services::fixtures::{serve::serve, upstream},
    support::{Caller, Server, Setup, eventually},
};

/// A server, and a system outside that a route, webhooks and nothing else lead to.
async fn world() -> (Server, upstream::Hits, String) {
    let hits = upstream::Hits::default();
    let address = serve(upstream::router(hits.clone())).await;
    let port = address.rsplit(':').next().unwrap();
    let config = format!(
        "[[services.gateway.routes]]\nprefix = '/up'\nupstream = '{address}'\n\
         headers = {{ authorization = 'Bearer hidden-from-code' }}\ndefaults = {{ currency = 'eur' }}\n\
         [services.webhooks]\nhttp_hosts = ['127.0.0.1']\n\
         [egress.internal]\nallow = [{{ host = '127.0.0.1', schemes = ['http'], ports = [{port}] }}]\n\
         allow_private = [{{ net = '127.0.0.1/32', ports = [{port}] }}]"
    );
    (Server::start(Setup::production().config(&config)).await, hits, address)
}

#[tokio::test]
async fn requests_go_along_routes_and_give_bodies() {
    let (server, _, _) = world().await;
    let code = "
        const told = ({ method, path, query, body, headers }) =>
            [method, path, query, body && JSON.parse(body), headers['x-mine'] ?? null, headers.authorization.length];
        const options = { headers: { 'X-Mine': 'yes' }, query: { page: '2' } };
        return [
            await $.api.get('/up/json'), await $.api.get('/up/empty'), told(await $.api.get('/up/echo/a', options)),
            told(await $.api.post('/up/echo', { amount: 1 })),
            told(await $.api.put('/up/echo', { currency: 'usd' }, options)),
            told(await $.api.patch('/up/echo', [1])), told(await $.api.delete('/up/echo/b')),
        ]";
    let length = "Bearer hidden-from-code".len();
    let expected = json!([
        { "a": [1, "x", null] }, null, ["GET", "/echo/a", "page=2", "", "yes", length],
        ["POST", "/echo", null, { "amount": 1, "currency": "eur" }, null, length],
        ["PUT", "/echo", "page=2", { "currency": "usd" }, "yes", length],
        ["PATCH", "/echo", null, [1], null, length], ["DELETE", "/echo/b", null, "", null, length],
    ]);
    assert_eq!(result(&server, Caller::Admin, code).await, expected);
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_thrown() {
    let (server, _, _) = world().await;
    let code = "try { await $.api.post('/up/status/409', {}) } catch (error) {
        const { name, code, message, status, body } = error;
        return [error instanceof Error, name, code, message, status, body];
    }";
    let expected = json!([
        true,
        "ServiceError",
        "upstream_error",
        "POST /up/status/409: the upstream answered 409",
        409,
        "status 409"
    ]);
    assert_eq!(result(&server, Caller::Admin, code).await, expected);
    let said = thrown(&server, Caller::Admin, &["$.api.get('/nowhere')", "$.api.get('/up/redirect?to=/a')"]).await;
    assert_eq!((&*said[0].1, &*said[0].2), ("not_found", "Not found"));
    assert_eq!((&*said[1].1, &*said[1].2), ("upstream_error", "GET /up/redirect?to=/a: the upstream answered 302"));
}

#[tokio::test]
async fn mails_are_in_the_outbox() {
    let server = Server::dev().await;
    let code = "
        const { id } = await $.send.email({ to: 'ada@example.com', subject: 'Hello', body: 'Hi Ada', tags: ['mine'] });
        const html = await $.send.email({ to: ['ada@example.com'], subject: 'Page', html: '<p>Hi' });
        const [template] = await env.email.getTemplates();
        const data = Object.fromEntries(template.required.map((field) => [field, 'https://example.com/']));
        const made = await $.send.email({ to: 'ada@example.com', template: template.name, data });
        const read = async (id) => {
            const { to, subject, text, html, tags } = await env.email.getEmailStatus(id);
            return { to, subject, text, html, tags };
        };
        return [await read(id), await read(html.id), (await read(made.id)).to]";
    let to = ["ada@example.com"];
    let expected = json!([
        { "to": to, "subject": "Hello", "text": "Hi Ada", "html": null, "tags": ["mine"] },
        { "to": to, "subject": "Page", "text": null, "html": "<p>Hi", "tags": [] },
        to,
    ]);
    assert_eq!(result(&server, Caller::Tenant, code).await, expected);
    let empty = thrown(&server, Caller::Tenant, &["$.send.email({ to: 'ada@example.com', subject: 'Nothing' })"]).await;
    assert_eq!((&*empty[0].1, &*empty[0].2), ("invalid_request", "body: is required"));
}

#[tokio::test]
async fn webhooks_are_delivered() {
    let (server, hits, address) = world().await;
    let code = format!(
        "await env.webhooks.createEndpoint({{ url: '{address}/echo', events: ['order.*'] }});
        const ids = [...await $.send.webhook('order.paid', {{ id: 7 }}), ...await $.send.webhook('user.made')];
        return ids.length"
    );
    assert_eq!(result(&server, Caller::Admin, &code).await, 1);
    let state =
        "const { data } = await env.webhooks.listDeliveries(); return data.map((one) => [one.event, one.status])";
    let delivered = json!([["order.paid", "delivered"]]);
    eventually("the delivery", async || (result(&server, Caller::Admin, state).await == delivered).then_some(())).await;
    assert_eq!(hits.count(), 1);
}
