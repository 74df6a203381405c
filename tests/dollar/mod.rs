//! `$`, the business runtime, as code has it: documents and conditions, decisions, who is asking. What runs later is in
//! `later`, what speaks to others in `outside` and `models`.

mod later;
mod models;
mod outside;

use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup};

/// `POST /execute` of a snippet.
async fn run(server: &Server, caller: Caller, code: &str) -> Answer {
    server.client.post(caller, "/execute", &json!({ "code": code })).await
}

/// Its result; fails where there is none.
async fn result(server: &Server, caller: Caller, code: &str) -> Value {
    let answer = run(server, caller, code).await;
    assert_eq!(answer.json["success"], true, "{}", answer.text);
    answer.json["result"].clone()
}

/// A server where everyone may run code, also without credentials.
async fn open_to_all() -> Server {
    Server::start(Setup::production().config("[auth]\nanonymous_execution = true")).await
}

/// Has code throw, for each of `calls`, and gives name, code and message of each error.
async fn thrown(server: &Server, caller: Caller, calls: &[&str]) -> Vec<(String, String, String)> {
    let each = calls.iter().map(|call| format!("async () => {call}")).collect::<Vec<_>>().join(",\n");
    let code = format!(
        "const said = [];
        for (const call of [{each}]) {{
            try {{ await call(); said.push(['', '', `nothing was thrown by ${{call}}`]) }}
            catch ({{ name, code = '', message }}) {{ said.push([name, code, message]) }}
        }}
        return said"
    );
    serde_json::from_value(result(server, caller, &code).await).unwrap()
}

#[tokio::test]
async fn documents_are_made_found_changed_and_removed() {
    let server = Server::dev().await;
    let code = "
        const made = await $.db.create('books', {
            id: 'b1', title: 'Dune', pages: 600, by: { name: 'Frank', born: 1920 },
        });
        const other = await $.db.create('books', { title: 'Emma', pages: 400, createdAt: 5 });
        const changed = await $.db.update('books', 'b1', { pages: 601, by: { born: null, died: 1986 }, id: 'other' });
        const long = await $.db.find('books', { pages: { $gt: 500 } });
        const sorted = await $.db.find('books', null, { sort: 'pages', limit: 1 });
        const byTitle = await $.db.findOne('books', { title: 'Emma' });
        const counts = [await $.db.count('books'), await $.db.count('books', { pages: { $lt: 500 } })];
        const gone = await $.db.delete('books', other.id);
        const nothing = [await $.db.delete('books', other.id), await $.db.findOne('books', other.id),
            await $.db.findOne('books', { title: 'Emma' })];
        const times = [made, other].every((one) => one.createdAt > 1e12 && one.updatedAt === one.createdAt);
        const plain = ({ createdAt, updatedAt, ...rest }) => rest;
        const thing = await env.db.get('books', 'b1');
        return { made: plain(made), isMadeUp: /^[0-9a-f-]{36}$/.test(other.id), changed: plain(changed),
            long: long.map(plain), sorted: sorted.map((one) => one.title), same: byTitle.id === other.id, counts,
            gone: gone.title, nothing, times, stored: thing.data }";
    let book = json!({ "id": "b1", "title": "Dune", "pages": 601, "by": { "name": "Frank", "died": 1986 } });
    let expected = json!({
        "made": { "id": "b1", "title": "Dune", "pages": 600, "by": { "name": "Frank", "born": 1920 } },
        "isMadeUp": true, "changed": book, "long": [book], "sorted": ["Emma"], "same": true, "counts": [2, 1],
        "gone": "Emma", "nothing": [null, null, null], "times": true,
        "stored": { "title": "Dune", "pages": 601, "by": { "name": "Frank", "died": 1986 } },
    });
    assert_eq!(result(&server, Caller::Tenant, code).await, expected);
    let elsewhere = result(&server, Caller::OtherTenant, "return $.db.find('books')").await;
    assert_eq!(elsewhere, json!([]), "another tenant's are not there");
}

#[tokio::test]
async fn changes_made_at_the_same_time_are_all_there() {
    let server = Server::dev().await;
    let code = "
        await $.db.create('counters', { id: 'c' });
        await Promise.all(Array.from({ length: 20 }, (_, n) => $.db.update('counters', 'c', { [`n${n}`]: n })));
        return Object.keys(await $.db.findOne('counters', 'c')).filter((name) => name.startsWith('n')).length";
    assert_eq!(result(&server, Caller::Tenant, code).await, 20);
}

/// The same conditions mean the same to the database and to rules.
#[tokio::test]
async fn conditions_of_documents_are_conditions_of_rules() {
    let server = Server::dev().await;
    let code = r#"
        const values = [undefined, null, true, false, 0, 1, 1.5, -3, '1', '', 'a', 'ab', 'B', 'null', 'true', [1],
            { a: 1 }];
        await Promise.all(values.map((v, n) => (
            $.db.create('conditions', { id: `d${n}`, v, in: { 'a b': v, list: [v] } }))));
        await env.db.upsert('conditions', 'no document', [1]);
        const all = await $.db.find('conditions');
        const ids = (documents) => documents.map((one) => one.id).sort().join();
        const scalars = [null, true, false, 0, 1, 1.5, '1', 'a', '', 'null', 'B'];
        const conditions = [{}, { id: 'd3' }, { id: null }, { id: 5 }, { createdAt: { $gt: 5 } }, { createdAt: 'x' },
            { v: { $in: [] } }, { v: { $in: [1, 'a', null, true] } }, { v: {} }, { $or: [] }, { 'in.list': null },
            { $or: [{ v: 1 }, { v: 'a', id: 'd9' }] }, { v: 1, 'in.a b': 1 }, { 'in.list.0': 1 }, { 'v.a': 1 },
            { v: { $gte: 0, $lt: 1.5 } }, { nothing: { $ne: 1 } }];
        for (const scalar of scalars) {
            conditions.push({ v: scalar }, { v: { $ne: scalar } }, { 'in.a b': { $eq: scalar } });
        }
        for (const operator of ['$gt', '$gte', '$lt', '$lte']) {
            for (const operand of [0, 1, 'a', '']) conditions.push({ v: { [operator]: operand } });
        }
        const told = [];
        let found = 0;
        for (const when of conditions) {
            const one = ids(await $.db.find('conditions', when));
            const other = ids(all.filter((document) => $.decide.rules([{ when, then: true }], document)));
            const count = await $.db.count('conditions', when);
            if (one !== other || count !== one.split(',').filter(Boolean).length) told.push([when, one, other, count]);
            found += count;
        }
        return { told, all: all.length, some: found > 100 && found < 900 }"#;
    assert_eq!(result(&server, Caller::Tenant, code).await, json!({ "told": [], "all": 17, "some": true }));
}

#[tokio::test]
async fn decisions_are_made_by_values_functions_and_rules() {
    let server = open_to_all().await;
    let code = "
        const facts = { total: 50, customer: { city: 'London' } };
        const rules = [
            { when: { total: { $gt: 100 } }, then: 'large' },
            { when: (order) => order.total > 10, then: (order) => `middling ${order.total}` },
            { then: 'small' },
        ];
        const never = () => { throw new Error('called') };
        return [
            $.decide.if(1 > 0, 'yes', never), $.decide.if(() => 0, never, () => 'no'),
            $.decide.if(false, 1) ?? 'nothing',
            $.decide.switch('b', { a: never, b: (value) => value + value }, never), $.decide.switch(3, { 3: 'three' }),
            $.decide.switch('toString', {}, 'else'), $.decide.switch('c', { a: 1 }) ?? 'nothing',
            $.decide.rules(rules, facts), $.decide.rules(rules, { total: 101 }), $.decide.rules(rules, {}),
            $.decide.rules([{ when: { 'customer.city': 'Paris' }, then: 1 }], facts) ?? 'nothing',
            await $.decide.if(true, async () => 'later'),
        ]";
    let expected = json!([
        "yes",
        "no",
        "nothing",
        "bb",
        "three",
        "else",
        "nothing",
        "middling 50",
        "large",
        "small",
        "nothing",
        "later"
    ]);
    assert_eq!(result(&server, Caller::User, code).await, expected);
    let promised = thrown(&server, Caller::User, &["$.decide.if(Promise.resolve(false), 1)"]).await;
    assert_eq!((&*promised[0].0, &*promised[0].2), ("TypeError", "A condition cannot be a promise: await it first"));
}

#[tokio::test]
async fn the_user_is_who_asks_as_far_as_the_credentials_go() {
    let server = open_to_all().await;
    let code =
        "return [$.user.roles, $.user.permissions, ['execute', 'workers:read', 'rpc:db', 'workersx:read', '*'].map(
        (permission) => $.user.hasPermission(permission)), $.user.hasRole('tenant'), $.user.id === ctx.user.id]";
    let expected = json!([["tenant"], ["execute", "workers:*"], [true, true, false, false, false], true, true]);
    assert_eq!(result(&server, Caller::Tenant, code).await, expected);
    let all = json!([["admin"], ["*"], [true, true, true, true, true], false, true]);
    assert_eq!(result(&server, Caller::Admin, code).await, all);
    let nobody = "return [$.user.id, $.user.roles, $.user.hasPermission('execute')]";
    assert_eq!(result(&server, Caller::Anonymous, nobody).await, json!([null, [], false]));

    // An admin's key that is for less than everything.
    let key = "return (await env.auth.createApiKey('narrow', ['execute', 'orders:*'])).key";
    let key = result(&server, Caller::Admin, key).await;
    let narrow = "const { user } = $;
        return [user.permissions, user.hasPermission('orders:write'), user.hasPermission('rpc:db'), user.roles]";
    let request = server.client.request(Caller::Anonymous, reqwest::Method::POST, "/execute");
    let request = request.bearer_auth(key.as_str().unwrap()).json(&json!({ "code": narrow }));
    Answer::read(request.send().await.unwrap()).await.assert_result(json!([
        ["execute", "orders:*"],
        true,
        false,
        ["admin"]
    ]));
}

#[tokio::test]
async fn what_is_not_granted_is_refused_as_ever() {
    let server = open_to_all().await;
    let denied = |service: &str, available: &str| {
        let message = format!("Access denied to bindings: {service}. Available: {available}");
        ("ServiceError".to_owned(), "forbidden".to_owned(), message)
    };
    let calls = ["$.every.hour(() => 1)", "$.api.get('/a')", "$.send.webhook('a', 1)", "$.ai.generateText('a')"];
    let tenants = "db, email, queue";
    let expected = ["schedule", "gateway", "webhooks", "gateway"].map(|service| denied(service, tenants));
    assert_eq!(thrown(&server, Caller::Tenant, &calls).await, expected);
    let calls =
        ["$.on.emit('a')", "$.on('a', () => 1)", "$.send.email({ to: 'a@example.com', subject: 'a', body: 'a' })"];
    let expected = ["queue", "queue", "email"].map(|service| denied(service, "db"));
    assert_eq!(thrown(&server, Caller::User, &calls).await, expected);
}

#[tokio::test]
async fn mistakes_are_named() {
    let server = Server::dev().await;
    result(&server, Caller::Tenant, "return $.db.create('mistakes', { id: 'a' })").await;
    for (call, code, message) in [
        ("$.db.create('mistakes', { id: 'a' })", "conflict", "mistakes has a thing a already"),
        ("$.db.update('mistakes', 'b', { x: 1 })", "not_found", "mistakes has no thing b"),
        ("$.db.create('mistakes', [1])", "invalid_request", "document: must be an object"),
        (
            "$.db.find('mistakes', { a: [1] })",
            "invalid_request",
            "where[\"a\"]: must be text, a finite number, a boolean or null, or an object of operators",
        ),
        (
            "$.db.find('mistakes', { a: { $near: 1 } })",
            "invalid_request",
            "where[\"a\"].$near: unknown operator; known: $eq, $ne, $gt, $gte, $lt, $lte, $in",
        ),
        (
            "$.db.find('mistakes', { $or: [{ 'a..b': 1 }] })",
            "invalid_request",
            "where[\"$or\"][0][\"a..b\"]: is no name of a field",
        ),
        ("$.db.find('mistakes', { 'a\")': 1 })", "invalid_request", "where[\"a\\\")\"]: is no name of a field"),
        (
            "$.db.find('mistakes', {}, { limit: 1001 })",
            "invalid_request",
            "options.limit: must be a whole number from 1 to 1000",
        ),
        (
            "$.db.find('mistakes', {}, { first: 1 })",
            "invalid_request",
            "options.first: unknown option; known: limit, offset, sort",
        ),
        ("$.decide.rules(5)", "invalid_request", "rules: must be an array"),
        ("$.on.emit('two words')", "invalid_request", "queue: must have 1 to 128 letters, digits or any of - _ . :"),
        (
            "$.send.email({ to: 'a@example.com', template: 'welcome', subject: 'a' })",
            "invalid_request",
            "mail.subject: cannot be said of a mail that is made from a template",
        ),
    ] {
        let said = thrown(&server, Caller::Tenant, &[call]).await.remove(0);
        assert_eq!(said, ("ServiceError".to_owned(), code.to_owned(), message.to_owned()), "{call}");
    }
}

#[tokio::test]
async fn snippets_have_it_modules_import_it_and_eval_has_none() {
    let server = Server::dev().await;
    let caller = Caller::Tenant;
    assert_eq!(result(&server, caller, "(input) => $.db.count('nothing', input ?? null)").await, 0);
    assert_eq!(result(&server, caller, "const $ = (x) => x + 1; return $(1)").await, 2, "a name like any other");
    assert_eq!(
        result(&server, caller, "return [`${typeof $}`, Object.isFrozen($), typeof $.db.find]").await,
        json!(["object", true, "function"])
    );
    for module in ["doer:workers", "cloudflare:workers"] {
        let code = format!(
            "import {{ $ }} from '{module}'; export default async () => [$.user.roles, await $.db.count('nothing')]"
        );
        assert_eq!(result(&server, caller, &code).await, json!([["tenant"], 0]));
    }
    let top = |code: &str| format!("import {{ $ }} from 'doer:workers'; {code}; export default () => 1");
    for (code, what) in
        [("$.user", "$.user"), ("$.on('a', () => 1)", "Calling a service"), ("$.db.find('a')", "Calling a service")]
    {
        let answer = run(&server, caller, &top(code)).await;
        let message = format!("{what} is not allowed in global scope; call it inside a handler");
        assert_eq!(answer.at("/error/message"), &json!(message), "{code}: {}", answer.text);
    }
    assert_eq!(result(&server, caller, &top("$.decide.if(true, 1)")).await, 1, "what needs no service");
    let eval = server.client.post(caller, "/eval", &json!({ "code": "return typeof $" })).await;
    eval.assert_result("undefined");
}

#[tokio::test]
async fn nothing_that_a_run_does_to_it_is_there_in_the_next() {
    let server = Server::dev().await;
    let spoil = "
        let refused = 0;
        for (const part of [$, $.db, $.on, $.every, $.ai]) {
            try { (() => { 'use strict'; part.spoiled = 1 })() } catch { refused++ }
        }
        env.DO.db_query = () => ({ rows: [{ n: 99 }] });
        return refused";
    assert_eq!(result(&server, Caller::Tenant, spoil).await, 5);
    assert_eq!(
        result(&server, Caller::Tenant, "return [$.db.spoiled ?? null, await $.db.count('nothing')]").await,
        json!([null, 0])
    );
}

/// A worker has with `$` what it is bound to, and no more.
#[tokio::test]
async fn a_worker_has_what_it_is_bound_to() {
    let server = Server::dev().await;
    let source = "import { $ } from 'doer:workers';
        const tell = (call) => call().catch(({ code, message }) => `${code}: ${message}`);
        export default {
            async ask() {
                return [await tell(() => $.db.count('nothing')), await tell(() => $.on.emit('a')), $.user.roles];
            },
        }";
    for (env, mail) in [(json!({}), true), (json!({ "STORE": { "$service": "db" } }), false)] {
        let code = json!({ "mainModule": "main.js", "modules": { "main.js": source }, "env": env });
        let put = server.client.put(Caller::Tenant, "/workers/dollar?replace=true", &code).await;
        assert!(put.status.is_success(), "{}", put.text);
        let answer = server.client.post(Caller::Tenant, "/workers/dollar/rpc/ask", &json!({ "params": [] })).await;
        let emitted = answer.at("/result/1");
        match mail {
            true => assert!(emitted["id"].is_string(), "{}", answer.text),
            false => assert_eq!(emitted, "forbidden: Access denied to bindings: queue. Available: db"),
        }
        assert_eq!(
            (answer.at("/result/0"), answer.at("/result/2")),
            (&json!(0), &json!(["tenant"])),
            "{}",
            answer.text
        );
    }
}
