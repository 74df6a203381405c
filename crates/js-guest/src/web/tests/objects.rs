//! structuredClone, crypto, performance and dates.

use super::run;

#[test]
fn clones_keep_the_shape_of_the_graph() {
    run(r#"
        const shared = { s: 1 };
        const value = { shared, again: shared, list: [1, , 3], map: new Map([[shared, 'x']]), set: new Set([shared]), n: null, u: undefined, big: 10n, neg: -0 };
        value.self = value;
        value.list.extra = 'kept';
        const copy = structuredClone(value);
        assert(copy !== value && copy.self === copy && copy.shared === copy.again && copy.shared !== shared);
        equal(copy.map.get(copy.shared), 'x');
        assert(copy.set.has(copy.shared));
        same([copy.list.length, 1 in copy.list, copy.list.extra, 'u' in copy], [3, false, 'kept', true]);
        equal(copy.big, 10n);
        equal(copy.neg, -0);
        const m = new Map(); m.set(m, m);
        const mc = structuredClone(m);
        assert(mc.get(mc) === mc);
        class Point { x = 1; get y() { return 2; } }
        const p = structuredClone(new Point());
        assert(Object.getPrototypeOf(p) === Object.prototype && p.x === 1 && !('y' in p));
        same(structuredClone({ get g() { return 4; } }), { g: 4 });
        same(Object.keys(structuredClone(Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'hidden', { value: 1 }))), ['a']);
        equal(structuredClone(JSON.parse('{"__proto__": 5}'))['__proto__'], 5);
        same((function () { return structuredClone(arguments); })(1, 2), { 0: 1, 1: 2 });
    "#);
}

#[test]
fn clones_of_built_ins() {
    run(r#"
        equal(structuredClone(new Date(5)).getTime(), 5);
        assert(Number.isNaN(structuredClone(new Date(NaN)).getTime()));
        const re = /a\/b/giu; re.lastIndex = 3;
        const rc = structuredClone(re);
        same([rc.source, rc.flags, rc.lastIndex], ['a\\/b', 'giu', 0]);
        for (const box of [Object(true), Object(2), Object('s'), Object(3n)]) {
            const c = structuredClone(box);
            assert(typeof c === 'object' && c !== box && c.valueOf() === box.valueOf());
        }
        const error = new RangeError('m', { cause: [1] });
        error.extra = 1;
        const ec = structuredClone(error);
        assert(ec instanceof RangeError && ec.message === 'm' && ec.cause[0] === 1 && ec.cause !== error.cause && !('extra' in ec));
        equal(ec.stack, error.stack);
        const named = new Error('x'); named.name = 'Custom';
        equal(structuredClone(named).name, 'Error');
        const dom = structuredClone(new DOMException('m', 'AbortError'));
        assert(dom instanceof DOMException && dom.code === 20 && dom.message === 'm');
        const file = structuredClone(new File(['x'], 'n', { type: 'a/b', lastModified: 7 }));
        same([file instanceof File, file.name, file.type, file.lastModified, await file.text()], [true, 'n', 'a/b', 7, 'x']);
        equal(await structuredClone(new Blob(['y'])).text(), 'y');
        const o = Object.create(Date.prototype);
        assert(Object.getPrototypeOf(structuredClone(o)) === Object.prototype);
    "#);
}

#[test]
fn clones_of_buffers() {
    run(r#"
        const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
        const value = { a: new Uint16Array(buffer, 2, 2), d: new DataView(buffer, 1, 3), buffer };
        const copy = structuredClone(value);
        assert(copy.a.buffer === copy.buffer && copy.d.buffer === copy.buffer && copy.buffer !== buffer);
        same([copy.a.byteOffset, copy.a.length, copy.d.byteOffset, copy.d.byteLength, copy.a[0]], [2, 2, 1, 3, 0x0403]);
        for (const View of [Int8Array, Uint8ClampedArray, Float32Array, Float64Array, BigInt64Array, BigUint64Array]) {
            assert(structuredClone(new View(2)) instanceof View, View.name);
        }
        const resizable = new ArrayBuffer(2, { maxByteLength: 4 });
        same([structuredClone(resizable).resizable, structuredClone(resizable).maxByteLength], [true, 4]);
        const shrunk = new ArrayBuffer(8, { maxByteLength: 8 });
        const outside = [new Uint8Array(shrunk, 4), new Uint8Array(shrunk, 4, 2), new DataView(shrunk, 4)];
        shrunk.resize(2);
        for (const view of outside) throws('DataCloneError', () => structuredClone(view));
        const moved = structuredClone({ buffer, view: new Uint8Array(buffer, 1) }, { transfer: [buffer] });
        same([buffer.detached, moved.buffer.byteLength, moved.view[0], moved.view.buffer === moved.buffer], [true, 8, 2, true]);
        throws('DataCloneError', () => structuredClone(buffer));
        throws('DataCloneError', () => structuredClone(null, { transfer: [buffer] }));
        const twice = new ArrayBuffer(1);
        throws('DataCloneError', () => structuredClone(null, { transfer: [twice, twice] }));
        throws('DataCloneError', () => structuredClone(() => 1, { transfer: [twice] }));
        equal(twice.detached, false);
        throws('DataCloneError', () => structuredClone(null, { transfer: [{}] }));
        throws(TypeError, () => structuredClone(null, { transfer: [1] }));
        throws(TypeError, () => structuredClone(null, { transfer: 1 }));
    "#);
}

#[test]
fn what_cannot_be_cloned_is_refused() {
    run(r#"
        for (const bad of [() => 1, class {}, Symbol(), new WeakMap(), new WeakSet(), new WeakRef({}), Promise.resolve(), new Proxy({}, {}), (function* () {})(),
            new Response(), new Request('http://a'), new Headers(), new FormData(), new URL('http://a'), new URLSearchParams(), new EventTarget(), new AbortController(),
            new Event('x'), new TextDecoder(), new TextEncoder(), crypto, performance, navigator, Object(Symbol()), globalThis]) {
            equal(throws('DataCloneError', () => structuredClone(bad)).code, 25, typeof bad);
            throws('DataCloneError', () => structuredClone({ deep: [bad] }));
        }
        const error = new Error('thrown by a getter');
        equal(throws(Error, () => structuredClone({ get g() { throw error; } })), error);
        let deep = null;
        for (let i = 0; i < 100000; i++) deep = [deep];
        throws(RangeError, () => structuredClone(deep));
    "#);
}

#[test]
fn randomness_fills_integer_arrays() {
    run(r#"
        const bytes = new Uint8Array(32);
        equal(crypto.getRandomValues(bytes), bytes);
        assert(bytes.some((b) => b !== 0));
        const part = new Uint8Array(64);
        crypto.getRandomValues(part.subarray(16, 48));
        assert(part.subarray(0, 16).every((b) => b === 0) && part.subarray(48).every((b) => b === 0));
        equal(crypto.getRandomValues(new BigUint64Array(0)).length, 0);
        equal(crypto.getRandomValues(new Uint8Array(65536)).length, 65536);
        const quota = throws('QuotaExceededError', () => crypto.getRandomValues(new Uint8Array(65537)));
        same([quota instanceof QuotaExceededError, quota.code, quota.quota, quota.requested], [true, 22, null, null]);
        const counted = new QuotaExceededError('m', { quota: 1, requested: 2 });
        same([counted.message, counted.quota, counted.requested, counted instanceof DOMException], ['m', 1, 2, true]);
        for (const bad of [{ quota: -1 }, { quota: 2, requested: 1 }]) throws(RangeError, () => new QuotaExceededError('', bad));
        throws(TypeError, () => new QuotaExceededError('', { quota: NaN }));
        throws('TypeMismatchError', () => crypto.getRandomValues(new Float32Array(1)));
        throws('TypeMismatchError', () => crypto.getRandomValues(new DataView(new ArrayBuffer(1))));
        for (const bad of [new ArrayBuffer(1), {}, null, 'x', 5]) throws(TypeError, () => crypto.getRandomValues(bad));
        const ids = new Set(Array.from({ length: 50 }, () => crypto.randomUUID()));
        equal(ids.size, 50);
        for (const id of ids) assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
    "#);
}

#[test]
fn digests_are_those_of_the_standards() {
    run(r#"
        const hex = async (name, data) => new Uint8Array(await crypto.subtle.digest(name, data)).toHex();
        const abc = new TextEncoder().encode('abc');
        equal(await hex('sha-1', abc), 'a9993e364706816aba3e25717850c26c9cd0d89d');
        equal(await hex({ name: 'SHA-256' }, abc.buffer), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
        equal((await hex('SHA-384', abc)).slice(0, 16), 'cb00753f45a35e8b');
        equal((await hex('SHA-512', new DataView(abc.buffer))).slice(0, 16), 'ddaf35a193617aba');
        equal(await hex('SHA-256', new Uint8Array(0)), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
        await rejects('NotSupportedError', crypto.subtle.digest('MD5', abc));
        await rejects('NotSupportedError', crypto.subtle.digest('\ud800', abc));
        await rejects(TypeError, crypto.subtle.digest({}, abc));
        await rejects(TypeError, crypto.subtle.digest('SHA-1', 'abc'));
        assert(crypto.subtle.digest('MD5', abc).catch(() => 0) instanceof Promise);
    "#);
}

#[test]
fn the_clock_starts_with_the_invocation() {
    run(r#"
        const now = performance.now();
        assert(now >= 0 && now < 60000, String(now));
        equal(Math.round(now * 10), now * 10);
        assert(Math.abs(performance.timeOrigin + now - Date.now()) < 60000);
        equal(performance.toJSON().timeOrigin, performance.timeOrigin);
        assert(performance instanceof EventTarget);
        assert(new Event('x').timeStamp >= now);
    "#);
}

#[test]
fn a_date_that_is_set_to_no_number_is_invalid() {
    run(r#"
        const units = ['Milliseconds', 'Seconds', 'Minutes', 'Hours', 'Date', 'Month', 'FullYear'];
        const setters = units.flatMap((unit) => [`set${unit}`, `setUTC${unit}`]).concat('setYear');
        for (const name of setters) {
            for (const fields of [[NaN], [Infinity], ['x'], [], [undefined]]) {
                const date = new Date(1e12);
                equal(date[name](...fields), NaN, name);
                equal(date.getTime(), NaN, `${name} ${fields}`);
            }
            const date = new Date(1e12);
            equal(date[name](5), date.getTime(), name);
            assert(date.getTime() !== 1e12, name);
            equal(new Date(NaN)[name](5) > -1e15, name.endsWith('Year'), name);
            throws(TypeError, () => Date.prototype[name].call({}, 1));
            const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(Date.prototype, name);
            same([value.name, writable, enumerable, configurable], [name, true, false, true]);
            assert(`${value}`.includes('[native code]') && !('prototype' in value), name);
        }
        equal(new Date(0).setUTCFullYear(2024, 1, 29), Date.UTC(2024, 1, 29));
        equal(new Date(0).setHours(1, 2, 3, 4), 3723004);
        same(setters.map((name) => Date.prototype[name].length), [1, 1, 2, 2, 3, 3, 4, 4, 1, 1, 2, 2, 3, 3, 1]);
        // An invalid date is asked for before the arguments are.
        const date = new Date(NaN);
        equal(date.setHours({ valueOf() { date.setTime(7); return 1; } }), NaN);
        equal(date.getTime(), 7);
    "#);
}
