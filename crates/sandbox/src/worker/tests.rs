//! Code as callers write it: what is wrong with it is told with its path; what is right has one form and one hash.

use std::time::Duration;

use doer_core::{limits::Limits, service::Service, tier::Tier, time::ManualClock};

use super::*;

fn rules() -> Rules {
    // 2026-11-24T10:00:00Z
    let clock = ManualClock::at(Duration::from_secs(1_795_514_400));
    Rules { max_code_bytes: 100, ..Rules::now(&clock, CompatibilityDate::parse("2026-11-01").unwrap()) }
}

fn decode(json: &str) -> Result<WorkerCode, InvalidCode> {
    WorkerCode::decode(json, &rules())
}

/// Code with one module and these members.
fn with(members: &str) -> String {
    format!(r#"{{"mainModule": "a.js", "modules": {{"a.js": "1"}}, {members}}}"#)
}

/// Code with these modules, of which `a.js` is the main one.
fn modules(modules: &str) -> String {
    format!(r#"{{"mainModule": "a.js", "modules": {modules}}}"#)
}

#[track_caller]
fn wrong(json: &str, path: &str, message: &str) {
    let error = decode(json).expect_err(json);
    assert_eq!((error.path.as_str(), error.message.as_str()), (path, message), "{json}");
}

#[test]
fn what_is_wrong_with_the_whole_is_told() {
    wrong("", "", "EOF while parsing a value at line 1 column 0");
    wrong("[]", "", "must be an object");
    wrong("null", "", "must be an object");
    wrong("{}", "mainModule", "is required");
    wrong(r#"{"mainModule": "a.js"}"#, "modules", "is required");
    wrong(r#"{"mainModule": 1, "modules": {}}"#, "mainModule", "must be a string");
    let known = "is not known; known are compatibilityDate, compatibilityFlags, mainModule, modules, env, \
                 globalOutbound, tails, limits";
    wrong(&with(r#""mainmodule": "a.js""#), "mainmodule", known);
    wrong(&with(r#""a b": 1"#), r#"["a b"]"#, known);
    wrong(&with(r#""modules": {}"#), "modules", "is there twice");
}

#[test]
fn what_is_wrong_with_modules_is_told() {
    let kinds = "js, ts, cjs, text, json, data, wasm";
    wrong(&modules("[]"), "modules", "must be an object of modules by name");
    wrong(&modules("{}"), "modules", "must have at least one module");
    wrong(&modules(r#"{"b.js": "1"}"#), "mainModule", r#""a.js" is not among modules"#);
    let one_of = format!("must be a string, or an object with exactly one of {kinds}");
    for value in ["1", "null", "[]"] {
        wrong(&modules(&format!(r#"{{"a.js": {value}}}"#)), r#"modules["a.js"]"#, &one_of);
    }
    let exactly = |number| format!("must have exactly one of {kinds}, and has {number}");
    wrong(&modules(r#"{"a.js": {}}"#), r#"modules["a.js"]"#, &exactly(0));
    wrong(&modules(r#"{"a.js": {"js": "1", "ts": "1"}}"#), r#"modules["a.js"]"#, &exactly(2));
    wrong(&modules(r#"{"a.js": {"rb": "1"}}"#), r#"modules["a.js"].rb"#, &format!("is not known; known are {kinds}"));
    wrong(&modules(r#"{"a.js": {"js": 1}}"#), r#"modules["a.js"].js"#, "must be a string");
    wrong(
        &modules(r#"{"a.js": "1", "b.wasm": "%"}"#),
        r#"modules["b.wasm"]"#,
        "not base64: Invalid symbol 37, offset 0.",
    );
    let no_base64 = "not base64: Invalid symbol 37, offset 0.";
    wrong(&modules(r#"{"a.js": "1", "b": {"data": "%"}}"#), r#"modules["b"].data"#, no_base64);
    let no_json = "EOF while parsing an object at line 1 column 1";
    wrong(&modules(r#"{"a.js": "1", "b.json": "{"}"#), r#"modules["b.json"]"#, no_json);
    wrong(
        &modules(r#"{"a.js": "1", "b": "1"}"#),
        r#"modules["b"]"#,
        "a text needs a name that ends in one of .js .mjs .cjs .ts .mts .tsx .jsx .json .txt .wat .wasm; \
         or send an object with one of js, ts, cjs, text, json, data, wasm",
    );
    wrong(&modules(r#"{"a.js": "\ud800"}"#), r#"modules["a.js"]"#, "unexpected end of hex escape");
}

#[test]
fn what_is_wrong_with_names_of_modules_is_told() {
    wrong(&modules(r#"{"a.js": "1", "b\u0000.js": "1"}"#), r#"modules["b\0.js"]"#, "a name has no NUL");
    let empty = "a name has 1 to 512 bytes, and this one has 0";
    wrong(&modules(r#"{"a.js": "1", "": "1"}"#), r#"modules[""]"#, empty);
    wrong(&modules(r#"{"a.js": "1", "./": "1"}"#), r#"modules["./"]"#, empty);
    let long = "x".repeat(513);
    let path = format!("modules[\"{}...\"]", "x".repeat(64));
    wrong(
        &modules(&format!(r#"{{"a.js": "1", "{long}": {{"js": "1"}}}}"#)),
        &path,
        "a name has 1 to 512 bytes, and this one has 513",
    );
    wrong(&modules(r#"{"a.js": "1", "a.js": "2"}"#), r#"modules["a.js"]"#, "is there twice");
    let twice = r#"is there twice: "a.js" is the same name"#;
    wrong(&modules(r#"{"a.js": "1", "./a.js": "2"}"#), r#"modules["./a.js"]"#, twice);
    let named = |number: usize| {
        let modules: Vec<String> = (0..number).map(|n| format!(r#""{n}.js": """#)).collect();
        format!(r#"{{"mainModule": "0.js", "modules": {{{}}}}}"#, modules.join(","))
    };
    wrong(&named(1001), "modules", "there are 1001 modules, and there may be 1000");
    assert!(WorkerCode::decode(&named(1000), &Rules::kept()).is_ok());
}

#[test]
fn what_is_wrong_with_the_main_module_is_told() {
    for (name, value, kind) in
        [("a.txt", r#""1""#, "text"), ("a.json", r#""1""#, "JSON"), ("a", r#"{"data": ""}"#, "data")]
    {
        let json = format!(r#"{{"mainModule": "{name}", "modules": {{"{name}": {value}}}}}"#);
        wrong(&json, "mainModule", &format!("{name:?} is {kind}, which cannot be run"));
    }
    let code = decode(r#"{"mainModule": "./a.wasm", "modules": {"a.wasm": "AGFzbQ=="}}"#).unwrap();
    assert_eq!((code.main_module.as_str(), &code.modules["a.wasm"]), ("a.wasm", &ModuleSource::Wasm(b"\0asm".into())));
}

#[test]
fn what_is_wrong_with_compatibility_is_told() {
    let form = "must be a date like \"2026-11-01\"";
    for date in ["2026-11-1", "2026-02-29", "2026-13-01", "+026-11-01", "2026-11-01T00:00", "latest", ""] {
        wrong(&with(&format!(r#""compatibilityDate": "{date}""#)), "compatibilityDate", form);
    }
    wrong(&with(r#""compatibilityDate": 20261101"#), "compatibilityDate", "must be a string");
    let future = "2026-11-25 is in the future; today is 2026-11-24";
    wrong(&with(r#""compatibilityDate": "2026-11-25""#), "compatibilityDate", future);
    assert!(decode(&with(r#""compatibilityDate": "2026-11-24""#)).is_ok());
    wrong(&with(r#""compatibilityFlags": "disallow_eval""#), "compatibilityFlags", "must be an array");
    wrong(
        &with(r#""compatibilityFlags": ["disallow_eval", "nodejs_compat"]"#),
        "compatibilityFlags[1]",
        "\"nodejs_compat\" is not known; known are disallow_eval, formdata_parser_supports_files, global_navigator, \
         http_headers_getsetcookie, no_global_importscripts, set_tostring_tag, url_standard, \
         urlsearchparams_delete_has_value_arg, workers_api_getters_setters_on_prototype",
    );
    let twice = r#""url_standard" is there twice"#;
    wrong(&with(r#""compatibilityFlags": ["url_standard", "url_standard"]"#), "compatibilityFlags[1]", twice);
    wrong(&with(r#""compatibilityFlags": [1]"#), "compatibilityFlags[0]", "must be a string");
}

#[test]
fn what_is_wrong_with_env_is_told() {
    let env = |members: &str| with(&format!(r#""env": {{{members}}}"#));
    wrong(&with(r#""env": []"#), "env", "must be an object of values and bindings by name");
    wrong(
        &env(r#""DB": {"$service": "sql"}"#),
        "env.DB.$service",
        "\"sql\" is no service; services are db, auth, gateway, schedule, webhooks, email, mcp, queue, DO for all, \
         LOADER to load code",
    );
    wrong(&env(r#""DB": {"$service": 1}"#), "env.DB.$service", "must be a string");
    wrong(&env(r#""DB": {"$service": null}"#), "env.DB.$service", "is required");
    wrong(&env(r#""DB": {"$service": "db", "x": 1}"#), "env.DB.x", "is not known; known are $service");
    let one = "must have exactly one of $service, $worker, $secret";
    wrong(&env(r#""DB": {"$service": "db", "$worker": "a"}"#), "env.DB", one);
    let mark = "is not known; known are $service, $worker, $secret, and a plain object has no such key";
    wrong(&env(r#""DB": {"$database": "db"}"#), "env.DB.$database", mark);
    wrong(&env(r#""DB": {"a": 1, "$base64": ""}"#), "env.DB.$base64", mark);
    wrong(&env(r#""DB": {"$service": "db", "$service": "db"}"#), "env.DB.$service", "is there twice");
    let id = "a worker's id has 1 to 128 letters, digits or any of . _ - and is neither . nor ..";
    wrong(&env(r#""W": {"$worker": "a/b"}"#), "env.W.$worker", id);
    wrong(&env(r#""W": {"$worker": ["a"]}"#), "env.W.$worker", "must be a string");
    let known = "is not known; known are $worker, entrypoint, props";
    wrong(&env(r#""W": {"$worker": "a", "entryPoint": "B"}"#), "env.W.entryPoint", known);
    let name = "must have 1 to 256 bytes, and no NUL";
    wrong(&env(r#""W": {"$worker": "a", "entrypoint": ""}"#), "env.W.entrypoint", name);
    wrong(&env(r#""W": {"$worker": "a", "entrypoint": 1}"#), "env.W.entrypoint", "must be a string");
    wrong(&env(r#""W": {"$worker": "a", "props": 1e400}"#), "env.W.props", "number out of range");
    let secret = "a secret's name has 1 to 128 letters, digits or _, and does not begin with a digit";
    wrong(&env(r#""S": {"$secret": "a-b"}"#), "env.S.$secret", secret);
    wrong(&env(r#""S": {"$secret": "A", "default": 1}"#), "env.S.default", "is not known; known are $secret");
    let names = "a name has 1 to 256 bytes, and no NUL";
    wrong(&env(r#""": 1"#), r#"env[""]"#, names);
    wrong(&env(r#""a\u0000": 1"#), r#"env["a\0"]"#, names);
    wrong(&env(&format!(r#""{}": 1"#, "x".repeat(257))), &format!("env.{}...", "x".repeat(64)), names);
    wrong(&env(r#""__proto__": {}"#), "env.__proto__", "a member cannot have this name");
    wrong(&env(r#""a b": 1, "a b": 2"#), r#"env["a b"]"#, "is there twice");
    wrong(&env(r#""A": "\ud800""#), "env.A", "unexpected end of hex escape");
    wrong(&env(&format!(r#""A": {}"#, "[".repeat(200) + &"]".repeat(200))), "env.A", "recursion limit exceeded");
}

#[test]
fn what_is_wrong_with_the_rest_is_told() {
    let like = "must be an object like {\"$worker\": \"id\"}, or null";
    wrong(&with(r#""globalOutbound": "w""#), "globalOutbound", like);
    wrong(&with(r#""globalOutbound": {}"#), "globalOutbound.$worker", "is required");
    wrong(
        &with(r#""globalOutbound": {"$service": "gateway"}"#),
        "globalOutbound.$service",
        "is not known; known are $worker, entrypoint, props",
    );
    wrong(&with(r#""tails": {}"#), "tails", "must be an array");
    wrong(&with(r#""tails": ["w"]"#), "tails[0]", "must be an object like {\"$worker\": \"id\"}");
    let id = "a worker's id has 1 to 128 letters, digits or any of . _ - and is neither . nor ..";
    wrong(&with(r#""tails": [{"$worker": "w"}, {"$worker": ""}]"#), "tails[1].$worker", id);
    let eleven = [r#"{"$worker": "w"}"#; 11].join(",");
    wrong(&with(&format!(r#""tails": [{eleven}]"#)), "tails", "there are 11, and there may be 10");
    let known = "is not known; known are cpuMs, subRequests, memoryMb, timeoutMs, fuel";
    wrong(&with(r#""limits": {"cpuMS": 1}"#), "limits.cpuMS", known);
    wrong(&with(r#""limits": [1]"#), "limits", "must be an object");
    for bad in ["0", "-1", "1.5", "\"1\"", "true", "1e3", "18446744073709551616"] {
        wrong(&with(&format!(r#""limits": {{"cpuMs": {bad}}}"#)), "limits.cpuMs", "must be a positive integer");
    }
}

#[test]
fn sizes_are_told_with_both_numbers() {
    let sized = |bytes: usize| modules(&format!(r#"{{"a.js": "{}"}}"#, "x".repeat(bytes - "a.js".len())));
    assert_eq!(decode(&sized(100)).unwrap().size_bytes(), 100);
    wrong(&sized(101), "modules", "the code has 101 bytes, and may have 100");
    // Spaces between the parts do not count.
    let env = |bytes: usize| with(&format!(r#""env": {{ "A": "{}" }}"#, "x".repeat(bytes - r#"{"A":""}"#.len())));
    assert!(decode(&env(1 << 20)).is_ok());
    wrong(&env((1 << 20) + 1), "env", "has 1048577 bytes, and may have 1048576");
}

#[test]
fn everything_that_can_be_said_is_read() {
    let code = decode(
        r#"{
            "compatibilityDate": "2025-01-31",
            "compatibilityFlags": ["url_standard", "disallow_eval"],
            "mainModule": "./a.js",
            "modules": {"./a.js": "1", "b": {"json": {"n": [1, 2]}}, "c.wat": "(module)"},
            "env": {
                "TEXT": "x", "NULL": null, "OBJECT": {"nested": {"$service": "db"}},
                "DB": {"$service": "db"}, "ALL": {"$service": "DO"}, "KEY": {"$secret": "STRIPE"},
                "SHOP": {"$worker": "shop", "entrypoint": "Cart", "props": {"user": 7}}
            },
            "globalOutbound": {"$worker": "proxy"},
            "tails": [{"$worker": "logs"}],
            "limits": {"cpuMs": 5, "subRequests": 4, "memoryMb": 3, "timeoutMs": 2, "fuel": 1}
        }"#,
    )
    .unwrap();
    assert_eq!(code.compatibility_date.to_string(), "2025-01-31");
    assert!(code.disallows_eval());
    let names: Vec<&str> = code.modules.keys().map(String::as_str).collect();
    assert_eq!((code.main_module.as_str(), names), ("a.js", vec!["a.js", "b", "c.wat"]));
    let plain = |name: &str| match &code.env.members[name] {
        EnvMember::Plain(value) => value.get().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!((plain("TEXT"), plain("NULL")), (r#""x""#.to_owned(), "null".to_owned()));
    assert_eq!(plain("OBJECT"), r#"{"nested":{"$service":"db"}}"#);
    let services: Vec<ServiceBinding> = code.env.services().collect();
    assert_eq!(services, [ServiceBinding::Unified, ServiceBinding::One(Service::Db)]);
    assert!(matches!(&code.env.members["KEY"], EnvMember::Secret(name) if name == "STRIPE"));
    let EnvMember::Worker(shop) = &code.env.members["SHOP"] else { panic!("no worker") };
    assert_eq!((shop.id.as_str(), shop.entrypoint.as_deref()), ("shop", Some("Cart")));
    assert_eq!(shop.props.as_ref().unwrap().get(), r#"{"user":7}"#);
    assert!(matches!(&code.global_outbound, GlobalOutbound::Worker(worker) if worker.id.as_str() == "proxy"));
    assert_eq!(code.tails[0].id.as_str(), "logs");

    let limits = code.limits.lowered(Limits::of(Tier::Tenant));
    assert_eq!(
        (limits.cpu, limits.startup_cpu, limits.wall),
        (Duration::from_millis(5), limits.cpu, Duration::from_millis(2))
    );
    assert_eq!((limits.calls, limits.memory_bytes, limits.fuel), (4, 3 << 20, 1));

    let read_again = WorkerCode::decode(&code.to_json(), &Rules::kept()).unwrap();
    assert_eq!((read_again.to_json(), read_again.hash()), (code.to_json(), code.hash()));
}

#[test]
fn what_is_not_said_has_its_default() {
    let nulls = r#""compatibilityDate": null, "compatibilityFlags": null, "env": null, "tails": null, "limits": null"#;
    for json in [with(nulls), modules(r#"{"a.js": "1"}"#)] {
        let code = decode(&json).unwrap();
        assert!(matches!(code.global_outbound, GlobalOutbound::Policy));
        let plain = r#"{"compatibilityDate":"2026-11-01","mainModule":"a.js","modules":{"a.js":{"js":"1"}}}"#;
        assert_eq!(code.to_json(), plain);
        let limits = Limits::of(Tier::Public);
        assert_eq!(code.limits.lowered(limits), limits);
    }
    assert!(matches!(decode(&with(r#""globalOutbound": null"#)).unwrap().global_outbound, GlobalOutbound::Nowhere));
}

#[test]
fn limits_of_ones_own_are_never_higher() {
    let most = format!(
        r#""limits": {{"cpuMs": {0}, "subRequests": {0}, "memoryMb": {0}, "timeoutMs": {0}, "fuel": {0}}}"#,
        u64::MAX
    );
    let limits = Limits::of(Tier::Public);
    assert_eq!(decode(&with(&most)).unwrap().limits.lowered(limits), limits);
}

#[test]
fn the_same_code_has_the_same_hash_however_it_is_written() {
    let hash = |json: &str| decode(json).unwrap().hash();
    let first = hash(
        r#"{"mainModule": "a.js", "modules": {"a.js": "1", "d.json": "[1, 2]", "t.txt": "x"}, "compatibilityFlags": ["url_standard", "disallow_eval"],
            "env": {"A": {"x": " \" ", "y": [1]}, "W": {"$worker": "w", "props": {"k": 1}}}, "limits": {"fuel": 1, "cpuMs": 2}}"#,
    );
    let other_words = hash(
        r#"{"limits":{"cpuMs":2,"fuel":1},"tails":[],"env":{"W":{"props":{ "k":1 },"$worker":"w"},"A":{"x":" \" ","y":[ 1 ]}},
            "compatibilityDate":"2026-11-01","compatibilityFlags":["disallow_eval","url_standard"],
            "modules":{"t.txt":{"text":"x"},"./d.json":{"json":[1,2]},"./a.js":{"js":"1"}},"mainModule":"./a.js"}"#,
    );
    assert_eq!(first, other_words);
    assert_eq!(hash(&modules(r#"{"a.js": "1"}"#)).as_str().len(), 64);
}

#[test]
fn other_code_has_another_hash() {
    let variants = [
        modules(r#"{"a.js": "1"}"#),
        modules(r#"{"a.js": "2"}"#),
        modules(r#"{"a.js": {"ts": "1"}}"#),
        modules(r#"{"a.js": "1", "b.js": ""}"#),
        with(r#""compatibilityDate": "2026-10-31""#),
        with(r#""compatibilityFlags": ["disallow_eval"]"#),
        with(r#""env": {"A": {"x": 1, "y": 2}}"#),
        // Code can see the order of keys in data.
        with(r#""env": {"A": {"y": 2, "x": 1}}"#),
        with(r#""env": {"A": {"nested": {"$secret": "S"}}}"#),
        with(r#""env": {"A": {"$secret": "S"}}"#),
        with(r#""env": {"A": {"$worker": "S"}}"#),
        with(r#""env": {"A": {"$worker": "S", "entrypoint": "E"}}"#),
        with(r#""globalOutbound": null"#),
        with(r#""globalOutbound": {"$worker": "w"}"#),
        with(r#""tails": [{"$worker": "w"}]"#),
        with(r#""limits": {"fuel": 1}"#),
        with(r#""limits": {"cpuMs": 1}"#),
    ];
    let hashes: BTreeSet<_> = variants.iter().map(|json| decode(json).unwrap().hash()).collect();
    assert_eq!(hashes.len(), variants.len());
}

#[test]
fn the_hash_is_sha_256_of_what_is_written() {
    let code = decode(&modules(r#"{"a.js": "\u00e4\n"}"#)).unwrap();
    assert_eq!(
        code.to_json(),
        "{\"compatibilityDate\":\"2026-11-01\",\"mainModule\":\"a.js\",\"modules\":{\"a.js\":{\"js\":\"\u{e4}\\n\"}}}"
    );
    use sha2::{Digest, Sha256};
    let sha: [u8; 32] = Sha256::digest(code.to_json()).into();
    assert_eq!(code.hash(), doer_core::id::CodeHash::from_bytes(sha));
}

#[test]
fn what_was_accepted_stays() {
    let json = with(r#""compatibilityDate": "2999-01-01""#);
    assert!(decode(&json).is_err());
    assert!(WorkerCode::decode(&json, &Rules::kept()).is_ok());
}

fn loadable(members: &str) -> Result<crate::loader::Code, String> {
    let code = decode(&with(members)).unwrap();
    code.loadable(Limits::of(Tier::Tenant)).map_err(|error| error.to_string())
}

#[test]
fn what_can_be_loaded_is_and_the_rest_is_told_by_its_path() {
    use crate::loader::{EnvBinding, Whom};

    let code = loadable(r#""env": {"A": {"b": [1]}, "DB": {"$service": "db"}, "DO": {"$service": "DO"}}"#).unwrap();
    let env = [
        ("A", EnvBinding::Value(r#"{"b":[1]}"#.to_owned())),
        ("DB", EnvBinding::Service(Service::Db)),
        ("DO", EnvBinding::Unified),
    ];
    assert_eq!(code.env.unwrap(), env.map(|(name, binding)| (name.to_owned(), binding)));
    let code = loadable(r#""limits": {"cpuMs": 5}"#).unwrap();
    assert_eq!((code.env, code.limits.cpu), (None, Duration::from_millis(5)));
    let code =
        loadable(r#""env": {"W": {"$worker": "x"}, "S": {"$secret": "KEY"}}, "tails": [{"$worker": "t"}]"#).unwrap();
    let members = code.env.unwrap();
    assert_eq!(members[0], ("S".to_owned(), EnvBinding::Secret("KEY".to_owned())));
    assert!(matches!(&members[1].1, EnvBinding::Worker(worker) if worker.worker == Whom::Id("x".to_owned())));
    assert_eq!(code.tails[0].worker, Whom::Id("t".to_owned()));
    assert!(loadable(r#""compatibilityFlags": ["disallow_eval"]"#).unwrap().disallow_eval);
}

#[test]
fn of_webassembly_only_components_are_workers() {
    let loadable = |module: &str| {
        let json = format!(r#"{{"mainModule": "a.wat", "modules": {{"a.wat": {module}}}}}"#);
        let code = decode(&json).unwrap().loadable(Limits::of(Tier::Tenant));
        code.map(|code| code.program).map_err(|error| error.to_string())
    };
    let component = |module: ModuleSource| Program::Modules {
        main: "a.wat".to_owned(),
        modules: [("a.wat".to_owned(), module)].into(),
    };
    let text = component(ModuleSource::Wat("(component)".to_owned()));
    assert_eq!(loadable(r#""(component)""#), Ok(text), "nothing stands before it");
    // The head of a component, and that of a core module.
    let binary = component(ModuleSource::Wasm(b"\0asm\x0d\0\x01\0".to_vec()));
    assert_eq!(loadable(r#"{"wasm": "AGFzbQ0AAQA="}"#), Ok(binary));
    for core in [r#""(module)""#, r#"{"wasm": "AGFzbQEAAAA="}"#, r#"{"wasm": "AGFzbQ=="}"#] {
        assert!(
            loadable(core).unwrap_err().starts_with("mainModule: a WebAssembly command answers no requests"),
            "{core}"
        );
    }
}

#[test]
fn services_are_those_that_env_names() {
    let services = |members: &str| decode(&with(members)).unwrap().services().map(|grants| grants.to_string());
    assert_eq!(services(r#""env": null"#), None);
    assert_eq!(services(r#""env": {"A": 1}"#).as_deref(), Some(""));
    assert_eq!(
        services(r#""env": {"A": {"$service": "queue"}, "B": {"$service": "db"}}"#).as_deref(),
        Some("db, queue")
    );
    assert_eq!(services(r#""env": {"A": {"$service": "db"}, "B": {"$service": "DO"}}"#), None);
}
