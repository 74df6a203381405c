//! Images that went through bytes on a disk, and the base that they hold on.

use doer_core::{limits::Limits, tier::Tier};
use doer_guest_protocol::{Program, Source, Surface};

use super::{super::*, *};
use crate::{
    Event,
    cache::{Changes, Place, Shelf},
    engine,
};

/// The engine, compiled, and what it is booted on.
struct Parts {
    engine: Engine,
    code: Module,
    memory: Module,
    linked: linked::Linked,
}

impl Parts {
    fn new() -> Self {
        let (engine, linked) = (engine::for_javascript().unwrap(), linked::take_apart().unwrap());
        let code = Module::new(&engine, &linked.code).unwrap();
        let memory = Module::new(&engine, &linked.memory).unwrap();
        Self { engine, code, memory, linked }
    }

    fn on(&self, heap: &[u8]) -> JavaScript {
        let base = ArtifactId::of(&self.engine, "base", &[&self.linked.code, heap]);
        let pool = Pool::new(Base::new(heap).unwrap(), 2, 1 << 20);
        JavaScript::assemble(&self.engine, self.code.clone(), self.memory.clone(), pool, base).unwrap()
    }

    async fn boot(&self) -> Vec<u8> {
        self.on(&self.linked.heap).boot(encode(&operations::table())).await.unwrap()
    }
}

fn program(code: &str) -> Evaluate {
    let program = Program::Text(Source { code: code.to_owned(), mappings: None });
    Evaluate { program, surface: Surface::Full, env: None, loopback: false, disallow_eval: false }
}

async fn made(javascript: &JavaScript, code: &str) -> Image {
    javascript.image(&program(code), &Arc::new(Account::unlimited())).await.unwrap()
}

async fn answer(javascript: &JavaScript, image: &Image) -> String {
    let mut invocation = Invocation::new(Event::Execute(None), Limits::of(Tier::Tenant));
    let account = Arc::new(Account::open(&mut invocation));
    let finished = javascript.run_image(image, &invocation, &account).await.unwrap();
    Answer::try_from(finished).unwrap().result.get().to_owned()
}

/// Whose top level leaves something everywhere: functions, regular expressions, text, bytes, memory that grew.
const WORKER: &str = "
    const table = new Map(Array.from({ length: 1000 }, (_, i) => ['key' + i, { i, text: 'value '.repeat(i % 7) }]));
    const pattern = /^(a|b)+$/u, bytes = new Uint8Array(3 << 20).fill(7), big = 2n ** 100n;
    globalThis.seen = class Seen { #n = 4; get n() { return this.#n } };
    export default () => [table.get('key999').i, pattern.test('abba'), bytes[bytes.length - 1], String(big), new seen().n];";

#[tokio::test]
async fn every_boot_gives_the_same_heap_and_images_hold_on_no_other() {
    let parts = Parts::new();
    let (heap, again) = (parts.boot().await, parts.boot().await);
    assert!(heap == again, "bytes that differ: {}", heap.iter().zip(&again).filter(|(one, two)| one != two).count());

    let (javascript, same) = (parts.on(&heap), parts.on(&again));
    let other = parts.on(&[heap, vec![0; memory::WASM_PAGE_BYTES]].concat());
    let dir = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::open(&dir.path().join("workers"), &[7; 32], 1 << 30).unwrap());
    let changes = Changes::default();
    let spot = Spot::new(&shelf, Place::of("tenant:test", "a"), &changes).of_code(blake3::hash(b"code"));
    let image = made(&javascript, WORKER).await;
    let wanted = answer(&javascript, &image).await;
    assert_eq!(wanted, r#"[999,true,7,"1267650600228229401496703205376",4]"#);
    javascript.keep_image(&spot, image).await;
    for javascript in [&javascript, &same] {
        let found = javascript.find_image(&spot).await.expect("an image");
        assert_eq!(answer(javascript, &found).await, wanted);
    }
    assert!(same.find_image(&spot.clone().of_code(blake3::hash(b"other code"))).await.is_none());
    javascript.keep_image(&spot, made(&javascript, WORKER).await).await;
    assert!(other.find_image(&spot).await.is_none());

    // Removed or replaced while the image was made.
    changes.count();
    javascript.keep_image(&spot, made(&javascript, WORKER).await).await;
    assert_eq!(shelf.stats(), (0, 0));
}

#[tokio::test]
async fn bytes_that_are_no_image_are_told_from_those_that_are() {
    let parts = Parts::new();
    let javascript = parts.on(&parts.boot().await);
    let image = made(&javascript, WORKER).await;
    let packed = javascript.pool.pack(&image);
    assert!((packed.len() as u64) < image.bytes() / 4, "{} of {}", packed.len(), image.bytes());
    let unpack = |bytes: &[u8], most| javascript.pool.unpack(bytes, most).map_err(|error| error.to_string());
    assert_eq!(unpack(&packed, MAX_IMAGE_BYTES).unwrap().bytes(), image.bytes());
    assert!(unpack(&packed, image.applied_bytes() / 2).is_err());
    for size in [0, 19, 20, 21, packed.len() / 2, packed.len() - 8] {
        assert!(unpack(&packed[..size], MAX_IMAGE_BYTES).is_err(), "cut at {size}");
    }
    // But for a larger heap, which would be another image.
    for at in (0..20).filter(|at| ![2, 3].contains(at)) {
        let mut changed = packed.clone();
        changed[at] ^= 0x81;
        assert!(unpack(&changed, MAX_IMAGE_BYTES).is_err(), "byte {at}");
    }
}
