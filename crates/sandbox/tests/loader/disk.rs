//! What workers have become, on disk: found again after an eviction and after a restart, and never served for anything but
//! the code that it was made of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use doer_sandbox::Sandbox;
use tempfile::TempDir;

use super::{common::config_on, town::Town, *};

/// Says in its log that its top level runs.
const TELLS: &str = "
    console.log('top level');
    const table = new Map([['a', /x(y)/u.exec('xy')[1]]]); let runs = 0;
    export class Named { constructor() { this.name = 'named' } }
    export default { fetch: (request) => Response.json([++runs, table.get('a'), new URL(request.url).pathname, new Named().name]) }";
const TOLD: &str = r#"[1,"y","/p","named"]"#;

async fn started(dir: &TempDir, bounds: Bounds) -> Registry {
    Registry::new(Sandbox::start(config_on(dir.path(), true).await).await.unwrap(), bounds)
}

/// The answer, and whether the top level ran for it.
async fn seen(stub: &Stub) -> (String, bool) {
    let outcome = fetched(stub, get("/p")).await;
    let text = String::from_utf8(outcome.answer.expect("an answer").body.to_vec()).unwrap();
    (text, outcome.logs.iter().any(|line| line.contains("top level")))
}

async fn kept(registry: &Registry, workers: usize) {
    while registry.stats().kept < workers {
        tokio::task::yield_now().await;
    }
}

/// Has a worker run once, and waits until its image is on disk.
async fn settled(registry: &Registry, id: &str, source: &str) {
    let before = registry.stats().kept;
    text(&registry.get(key(id), counted(code(source)).1), "/").await;
    kept(registry, before + 1).await;
}

/// All files of workers.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(namespaces) = fs::read_dir(dir.join("artifacts/workers")) else { return Vec::new() };
    let of = |namespace: fs::DirEntry| fs::read_dir(namespace.path()).unwrap().map(|file| file.unwrap().path());
    namespaces.flat_map(|namespace| of(namespace.unwrap())).collect()
}

#[test]
fn an_image_is_found_again_after_an_eviction_and_after_a_restart() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let one = Bounds { workers: 1, ..ROOM };
        let registry = started(&dir, one).await;
        let stub = |registry: &Registry| registry.get(key("a"), counted(code(TELLS)).1);
        assert_eq!(seen(&stub(&registry)).await, (TOLD.to_owned(), true));
        kept(&registry, 1).await;
        settled(&registry, "b", "export default { fetch: () => new Response('b') }").await;
        assert_eq!(registry.stats().evictions, 1);
        assert_eq!(seen(&stub(&registry)).await, (TOLD.to_owned(), false));
        assert_eq!((registry.stats().loads, registry.stats().from_disk), (3, 1));
        drop(registry);

        let registry = started(&dir, one).await;
        assert_eq!(registry.stats().kept, 2);
        let stub = stub(&registry);
        for _ in 0..2 {
            assert_eq!(seen(&stub).await, (TOLD.to_owned(), false));
        }
        assert_eq!((registry.stats().loads, registry.stats().from_disk), (1, 1));
    });
}

#[test]
fn nothing_is_compiled_for_an_image_that_is_there() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let typescript = "interface A { text: string }
            const a: A = { text: 'typed' };
            export default { fetch: (request: Request) => { if (request.url.endsWith('/throw')) throw new Error('here'); return new Response(a.text) } }";
        let typed = || Code {
            program: Program::Modules {
                main: "main.ts".to_owned(),
                modules: [("main.ts".to_owned(), ModuleSource::Ts(typescript.to_owned()))].into(),
            },
            ..code(typescript)
        };
        let registry = started(&dir, ROOM).await;
        assert_eq!(text(&registry.get(key("typed"), counted(typed()).1), "/").await, "typed");
        kept(&registry, 1).await;
        drop(registry);

        let registry = Registry::new(Sandbox::start(config_on(dir.path(), false).await).await.unwrap(), ROOM);
        let stub = registry.get(key("typed"), counted(typed()).1);
        assert_eq!(text(&stub, "/").await, "typed");
        // The way back to the text that was written lies in the image.
        let error = fetched(&stub, get("/throw")).await.answer.unwrap_err();
        assert_eq!((error.message.as_str(), error.line), ("here", Some(3)));
    });
}

#[test]
fn other_code_under_the_same_name_is_never_answered_from_an_old_image() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let says =
            |text: &str| format!("console.log('top level'); export default {{ fetch: () => new Response('{text}') }}");
        let registry = started(&dir, ROOM).await;
        settled(&registry, "a", &says("old")).await;
        drop(registry);

        let registry = started(&dir, ROOM).await;
        // Even where whoever brings the code does not tell it from the old.
        let new = Code { hash: says("old"), ..code(&says("new")) };
        let stub = registry.get(key("a"), counted(new).1);
        assert_eq!(seen(&stub).await, ("new".to_owned(), true));
        assert_eq!(registry.stats().from_disk, 0);
        kept(&registry, 1).await;
        assert_eq!(files(dir.path()).len(), 1);
        drop((registry, stub));

        let registry = started(&dir, ROOM).await;
        let env = Code { env: Some(vec![("A".to_owned(), EnvBinding::Value("1".to_owned()))]), ..code(&says("old")) };
        assert_eq!(seen(&registry.get(key("a"), counted(env).1)).await, ("old".to_owned(), true));
    });
}

#[test]
fn files_that_are_forged_or_cut_or_somebody_elses_are_made_again() {
    block_on(async {
        let says =
            |text: &str| format!("console.log('top level'); export default {{ fetch: () => new Response('{text}') }}");
        let spoil: [fn(&[PathBuf]); 5] = [
            |files| {
                for file in files {
                    let mut bytes = fs::read(file).unwrap();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    fs::write(file, bytes).unwrap();
                }
            },
            |files| files.iter().for_each(|file| fs::write(file, &fs::read(file).unwrap()[..1000]).unwrap()),
            |files| files.iter().for_each(|file| fs::write(file, "").unwrap()),
            |files| {
                let (one, other) = (fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
                fs::write(&files[0], other).unwrap();
                fs::write(&files[1], one).unwrap();
            },
            |files| files.iter().for_each(|file| fs::remove_file(file).unwrap()),
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let registry = started(&dir, ROOM).await;
            for id in ["a", "b"] {
                settled(&registry, id, &says(id)).await;
            }
            drop(registry);
            spoil(&files(dir.path()));
            for from_disk in [0, 2] {
                let registry = started(&dir, ROOM).await;
                for id in ["a", "b"] {
                    let stub = registry.get(key(id), counted(code(&says(id))).1);
                    assert_eq!(seen(&stub).await, (id.to_owned(), from_disk == 0), "{number}");
                }
                kept(&registry, 2).await;
                assert_eq!(registry.stats().from_disk, from_disk, "{number}");
            }
        }
    });
}

#[test]
fn what_is_removed_is_gone_from_the_disk_too_loaded_or_not() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let registry = started(&dir, ROOM).await;
        let source = "export default { fetch: () => new Response('x') }";
        for id in ["a", "b", "c"] {
            settled(&registry, id, source).await;
        }
        registry.remove(&key("a"));
        assert_eq!((files(dir.path()).len(), registry.stats().kept), (2, 2));
        drop(registry);
        let registry = started(&dir, ROOM).await;
        registry.remove(&key("b"));
        assert_eq!((files(dir.path()).len(), registry.stats().kept), (1, 1));
        registry.remove_namespace(&key("c").namespace);
        assert_eq!((files(dir.path()).len(), registry.stats().kept), (0, 0));
        // Removed before its image is there: nothing comes after.
        let stub = registry.get(key("d"), counted(code(source)).1);
        text(&stub, "/").await;
        registry.remove(&key("d"));
        // One writes at a time, in order.
        settled(&registry, "e", source).await;
        assert_eq!(files(dir.path()).len(), 1);
    });
}

async fn town(dir: &TempDir, secret: &'static str) -> Town {
    Town::with_secret(Sandbox::start(config_on(dir.path(), true).await).await.unwrap(), secret)
}

/// With a secret and a value.
fn keeps(value: &str) -> [(&'static str, EnvBinding); 2] {
    [("KEY", EnvBinding::Secret("KEY".to_owned())), ("PLAIN", EnvBinding::Value(format!("\"{value}\"")))]
}

#[test]
fn an_image_is_the_same_to_the_byte_whatever_the_secrets_are() {
    block_on(async {
        let source = "import { env } from 'cloudflare:workers';
            const early = env.KEY;
            export default { fetch: (request, env) => new Response(`${typeof early} ${env.KEY} ${env.PLAIN}`) }";
        let made = async |secret: &'static str, value: &str| {
            let dir = tempfile::tempdir().unwrap();
            let town = town(&dir, secret).await;
            let said = text(&town.bound("a", source, keeps(value)), "/").await;
            assert_eq!(said, format!("undefined {secret} {value}"));
            kept(&town.registry, 1).await;
            let file = fs::read(&files(dir.path())[0]).unwrap();
            (dir, file)
        };
        let (dir, one) = made("s3cret", "plain").await;
        let (_, other) = made("another secret", "plain").await;
        assert!(one == other);
        // What is no secret is in there.
        let (_, other) = made("s3cret", "plane").await;
        assert!(one != other);
        // A run that starts from the disk has today's secrets.
        let town = town(&dir, "tomorrow's").await;
        assert_eq!(text(&town.bound("a", source, keeps("plain")), "/").await, "undefined tomorrow's plain");
        assert_eq!(town.registry.stats().from_disk, 1);
    });
}

#[test]
fn nothing_is_kept_of_code_that_a_run_made_up_or_that_has_no_name() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let town = town(&dir, "s3cret").await;
        let source = "
            export default { async fetch(request, env) {
                const modules = { 'main.js': 'export default { fetch: (r, env) => new Response(env.MADE_UP) }' };
                const code = () => ({ mainModule: 'main.js', modules, env: { MADE_UP: env.KEY } });
                const child = env.LOADER.get('child', code).getEntrypoint();
                await child.fetch('http://x/');
                return child.fetch('http://x/');
            } }";
        let env = [("KEY", EnvBinding::Secret("KEY".to_owned())), ("LOADER", EnvBinding::Loader)];
        let stub = town.bound("bound", source, env);
        assert_eq!(text(&stub, "/").await, "s3cret");
        kept(&town.registry, 1).await;
        let anonymous =
            town.registry.load_in(key("x").namespace, code("export default { fetch: () => new Response() }"));
        imaged(&anonymous, "/").await;
        imaged(&stub, "/").await;
        // One writes at a time, in order.
        settled(&town.registry, "last", "export default { fetch: () => new Response('last') }").await;
        assert_eq!((files(dir.path()).len(), town.registry.stats().kept), (2, 2));
    });
}
