//! Blob, Headers, Request, Response and fetch.

use super::run;

#[test]
fn blobs_join_their_parts() {
    run(r#"
        const blob = new Blob(['a\ud800', new Uint8Array([98, 99]).buffer, new DataView(new ArrayBuffer(1)), new Blob(['z']), 5, { toString: () => 'o' }], { type: 'Text/Plain' });
        same([blob.size, blob.type, await blob.text()], [10, 'text/plain', 'a\ufffdbc\0z5o']);
        same([new Blob().size, new Blob([], { type: 'a\u00e9' }).type], [0, '']);
        equal(await new Blob(['a\r\nb\rc\n'], { endings: 'native' }).text(), 'a\nb\nc\n');
        equal(await new Blob(['a\r\n']).text(), 'a\r\n');
        throws(TypeError, () => new Blob([], { endings: 'x' }));
        throws(TypeError, () => new Blob('text'));
        throws(TypeError, () => new Blob({}));
        throws(TypeError, () => new Blob(null));
        const seen = [];
        new Blob([{ toString() { seen.push(1); } }, { toString() { seen.push(2); } }], { get type() { seen.push('type'); }, get endings() { seen.push('endings'); } });
        same(seen, [1, 2, 'endings', 'type']);
        equal(await new Blob(new String('xyz')).text(), 'xyz');
        equal(await new Blob(new Uint8Array([1, 2])).text(), '12');
        const growing = [{ toString() { growing.push('late'); return 'a'; } }];
        equal(await new Blob(growing).text(), 'alate');
        const bytes = new Uint8Array([1, 2, 3]);
        const copy = new Blob([bytes]);
        bytes[0] = 9;
        const read = await copy.bytes();
        same([...read], [1, 2, 3]);
        read[0] = 7;
        same([...new Uint8Array(await copy.arrayBuffer())], [1, 2, 3]);
    "#);
}

#[test]
fn slices_are_clamped() {
    run(r#"
        const blob = new Blob(['0123456789'], { type: 'a/b' });
        const text = async (...args) => await blob.slice(...args).text();
        same([await text(), await text(2, 4), await text(-3), await text(-3, -1), await text(5, 2), await text(0, 99), await text(undefined, 1), await text(NaN, 1.5)],
            ['0123456789', '23', '789', '78', '', '0123456789', '0', '01']);
        same([blob.slice(0, 1).type, blob.slice(0, 1, 'C/D').type], ['', 'c/d']);
        const odd = new Blob(['0123456789a']);
        same([await odd.slice(-1.5).text(), await odd.slice(-2.5).text(), await odd.slice(8.5).text(), await odd.slice(-Infinity, 2.5).text()], ['9a', '9a', '89a', '01']);
        equal(await blob.slice(2, 8).slice(1, 3).text(), '34');
        const file = new File(['x'], 'n\ud800', { type: 't/t', lastModified: 12.9 });
        same([file.name, file.lastModified, file.type, file.size, file instanceof Blob, file.slice() instanceof File], ['n\ufffd', 12, 't/t', 1, true, false]);
        assert(new File([], 'a').lastModified > 1e12);
    "#);
}

#[test]
fn headers_are_validated_combined_and_sorted() {
    run(r#"
        const h = new Headers({ 'X-B': ' 1\t', a: 2 });
        h.append('x-b', '3');
        same([...h], [['a', '2'], ['x-b', '1, 3']]);
        same([h.get('X-B'), h.has('A'), h.get('none'), h.has('none')], ['1, 3', true, null, false]);
        h.set('A', 'new');
        h.delete('X-b');
        same([...h.keys(), ...h.values()], ['a', 'new']);
        for (const bad of ['', 'a b', 'a:', 'h\u00e9', '(x)', '\u0100', 'a\n']) throws(TypeError, () => h.append(bad, 'v'));
        for (const bad of ['a\0', 'a\nb', 'a\rb', '\u0100']) throws(TypeError, () => h.append('n', bad));
        h.set('n', '\n\u00e9 \r');
        equal(h.get('n'), '\u00e9');
        h.set('n', '');
        equal(h.get('n'), '');
        for (const bad of [null, 1, 'a', [['a']], [['a', 'b', 'c']], ['ab']]) throws(TypeError, () => new Headers(bad));
        equal(new Headers([['a', 'b'], new Set(['a', 'c'])]).get('a'), 'b, c');
        equal(new Headers(new Map([['k', 'v']])).get('k'), 'v');
        equal(new Headers(h).get('a'), 'new');
        throws(TypeError, () => new Headers({ [Symbol.iterator]: 5 }));
        equal(new Headers({ a: '1', A: '2' }).get('a'), '1, 2');
        const log = (record) => {
            const calls = [];
            const trap = (name) => (target, key) => { calls.push(name + ' ' + String(key)); return Reflect[name](target, key); };
            const proxy = new Proxy(record, { get: trap('get'), ownKeys: (t) => { calls.push('ownKeys'); return Reflect.ownKeys(t); }, getOwnPropertyDescriptor: trap('getOwnPropertyDescriptor') });
            try { new Headers(proxy); } catch (e) { calls.push(e.name); }
            return calls.slice(1);
        };
        same(log({ a: 'b', c: 'd' }), ['ownKeys', 'getOwnPropertyDescriptor a', 'get a', 'getOwnPropertyDescriptor c', 'get c']);
        same(log({ a: '\uffff', c: 'd' }), ['ownKeys', 'getOwnPropertyDescriptor a', 'get a', 'TypeError']);
        same(log({ '\uffff': 'b', c: 'd' }), ['ownKeys', 'getOwnPropertyDescriptor \uffff', 'TypeError']);
    "#);
}

#[test]
fn set_cookie_is_never_combined() {
    run(r#"
        const h = new Headers([['set-cookie', 'a=1'], ['x', 'y'], ['Set-Cookie', 'b=2']]);
        same(h.getSetCookie(), ['a=1', 'b=2']);
        same([...h], [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x', 'y']]);
        equal(h.get('set-cookie'), 'a=1, b=2');
        same(new Headers(h).getSetCookie(), ['a=1', 'b=2']);
        h.set('set-cookie', 'c');
        same(h.getSetCookie(), ['c']);
        const it = h[Symbol.iterator]();
        it.next();
        h.append('zz', '1');
        same([it.next().value, it.next().value, it.next().done], [['x', 'y'], ['zz', '1'], true]);
        equal(it[Symbol.toStringTag], 'Headers Iterator');
    "#);
}

#[test]
fn responses_describe_themselves() {
    run(r#"
        const r = new Response('text', { status: 201, statusText: 'Made', headers: { a: 'b' } });
        same([r.status, r.statusText, r.ok, r.type, r.url, r.redirected, r.bodyUsed, r.headers.get('content-type'), r.headers.get('a')],
            [201, 'Made', true, 'default', '', false, false, 'text/plain;charset=UTF-8', 'b']);
        equal(r.headers, r.headers);
        same([new Response().status, new Response(null).body, new Response(undefined).headers.has('content-type')], [200, null, false]);
        for (const status of [199, 600, 0, 1000, NaN, -1]) throws(RangeError, () => new Response('', { status }));
        equal(new Response(null, { status: 65536 + 200 }).status, 200);
        for (const status of [204, 205, 304]) { throws(TypeError, () => new Response('', { status })); equal(new Response(null, { status }).status, status); }
        throws(TypeError, () => new Response('', { statusText: '\n' }));
        throws(TypeError, () => new Response('', { statusText: '\u0100' }));
        throws(TypeError, () => new Response('', 5));
        equal(new Response('x', { headers: { 'Content-Type': 'mine' } }).headers.get('content-type'), 'mine');
        equal(new Response('', { status: 404 }).ok, false);
    "#);
}

#[test]
fn bodies_come_from_anything_and_are_read_once() {
    run(r#"
        const type = (body) => new Response(body).headers.get('content-type');
        same([type('s'), type(new URLSearchParams('a=1')), type(new Blob(['x'], { type: 'a/b' })), type(new Blob(['x'])), type(new Uint8Array(1)), type(5)],
            ['text/plain;charset=UTF-8', 'application/x-www-form-urlencoded;charset=UTF-8', 'a/b', null, null, 'text/plain;charset=UTF-8']);
        equal(await new Response(new URLSearchParams({ a: 'b c' })).text(), 'a=b+c');
        equal(await new Response('\ufeffx\ud800').text(), 'x\ufffd');
        same([...await new Response('\ufeffx').bytes()], [239, 187, 191, 120]);
        equal(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])).text(), 'a\ufffd');
        same(await new Response('{"a":[1]}').json(), { a: [1] });
        await rejects(SyntaxError, new Response('{').json());
        await rejects(SyntaxError, new Response(null).json());
        equal(await new Response(null).text(), '');
        equal((await new Response(new DataView(new ArrayBuffer(3))).arrayBuffer()).byteLength, 3);
        const blob = await new Response('x', { headers: { 'content-type': 'Text/HTML' } }).blob();
        same([blob.type, await blob.text()], ['text/html', 'x']);
        const r = new Response('once');
        const first = r.text();
        equal(r.bodyUsed, true);
        equal(await first, 'once');
        await rejects(TypeError, r.text());
        await rejects(TypeError, r.json());
        throws(TypeError, () => r.clone());
        const nothing = new Response(null);
        await nothing.text();
        equal(nothing.bodyUsed, false);
        equal(await nothing.text(), '');
        const bytes = new Uint8Array([97]);
        const late = new Response(bytes);
        bytes[0] = 98;
        equal(await late.text(), 'a');
        throws(TypeError, () => new Response(Symbol()));
    "#);
}

#[test]
fn a_body_can_be_handed_on() {
    run(r#"
        const from = new Response('carried', { headers: { 'content-type': 'a/b' } });
        const to = new Response(from.body, from);
        same([from.bodyUsed, to.bodyUsed, to.headers.get('content-type'), to.status], [false, false, 'a/b', 200]);
        equal(await to.text(), 'carried');
        same([from.bodyUsed, to.bodyUsed, from.body === to.body], [true, true, true]);
        throws(TypeError, () => new Response(from.body));
        const r = new Response('both');
        equal(r.body, r.body);
        const copy = r.clone();
        same([await r.text(), await copy.text()], ['both', 'both']);
    "#);
}

#[test]
fn the_static_responses() {
    run(r#"
        const j = Response.json({ a: '\u00e9' }, { status: 202, headers: { x: 'y' } });
        same([j.status, j.headers.get('content-type'), j.headers.get('x'), await j.text()], [202, 'application/json', 'y', '{"a":"\u00e9"}']);
        equal(Response.json(1, { headers: { 'content-type': 'own' } }).headers.get('content-type'), 'own');
        for (const bad of [undefined, () => 1, Symbol()]) throws(TypeError, () => Response.json(bad));
        throws(TypeError, () => Response.json(1, { status: 204 }));
        const cyclic = {}; cyclic.self = cyclic;
        throws(TypeError, () => Response.json(cyclic));
        const r = Response.redirect('http://a/b c', 307);
        same([r.status, r.headers.get('location'), r.body], [307, 'http://a/b%20c', null]);
        throws(TypeError, () => r.headers.set('a', 'b'));
        equal(Response.redirect('http://a').status, 302);
        throws(RangeError, () => Response.redirect('http://a', 200));
        throws(TypeError, () => Response.redirect('/relative'));
        const e = Response.error();
        same([e.type, e.status, e.ok], ['error', 0, false]);
        throws(TypeError, () => e.headers.append('a', 'b'));
    "#);
}

#[test]
fn requests_describe_themselves() {
    run(r#"
        const r = new Request('HTTP://EX.com/a?b#c');
        same([r.url, r.method, r.body, r.bodyUsed, r.redirect, r.mode, r.credentials, r.cache, r.referrer, r.referrerPolicy, r.integrity, r.keepalive, r.destination, r.duplex],
            ['http://ex.com/a?b#c', 'GET', null, false, 'follow', 'cors', 'same-origin', 'default', 'about:client', '', '', false, '', 'half']);
        equal(r.signal.aborted, false);
        equal(r.signal, r.signal);
        const methods = ['get', 'Post', 'pUt', 'patch', 'PATCH', 'x'].map((method) => new Request('http://a', { method }).method);
        same(methods, ['GET', 'POST', 'PUT', 'patch', 'PATCH', 'x']);
        for (const method of ['', 'a b', 'TRACE', 'connect', 'Track']) throws(TypeError, () => new Request('http://a', { method }));
        for (const url of ['', '/a', 'http://u@a', 'http://:p@a', undefined]) throws(TypeError, () => new Request(url));
        for (const init of [{ mode: 'navigate' }, { redirect: 'x' }, { cache: 'only-if-cached' }, { credentials: '' }, { signal: {} }, { window: 1 }, { duplex: 'full' }, { priority: 'x' }, { mode: 'no-cors', method: 'PUT' },
            { body: '' }, { body: 'x', method: 'HEAD' }, { headers: null }, 5]) {
            throws(TypeError, () => new Request('http://a', init));
        }
        equal(new Request(new URL('http://a/b')).url, 'http://a/b');
        equal(new Request('http://a', { redirect: 'manual' }).redirect, 'manual');
        equal(new Request('http://a', { method: 'POST', body: new URLSearchParams('a=1') }).headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
    "#);
}

#[test]
fn requests_are_made_from_requests() {
    run(r#"
        const controller = new AbortController();
        const a = new Request('http://a', { method: 'POST', body: 'x', headers: { h: '1' }, redirect: 'error', signal: controller.signal });
        const copy = a.clone();
        const b = new Request(a, { headers: { h: '2' } });
        same([a.bodyUsed, b.method, b.headers.get('h'), a.headers.get('h'), b.redirect, await b.text(), await copy.text()], [true, 'POST', '2', '1', 'error', 'x', 'x']);
        throws(TypeError, () => new Request(a));
        throws(TypeError, () => a.clone());
        equal(await new Request(a, { body: 'new' }).text(), 'new');
        controller.abort('r');
        same([a.signal.reason, b.signal.reason, copy.signal.reason], ['r', 'r', 'r']);
        const detached = new Request('http://a', { signal: controller.signal });
        equal(new Request(detached, { signal: null }).signal.aborted, false);
        const plain = new Request('http://a');
        const other = new Request(plain);
        other.headers.set('x', '1');
        equal(plain.headers.has('x'), false);
    "#);
}

#[test]
fn fetch_rejects_and_says_why() {
    run(r#"
        const promise = fetch('http://a');
        assert(promise instanceof Promise);
        equal((await rejects(TypeError, promise)).message, 'fetch is not permitted: no egress policy allows network access here');
        await rejects(TypeError, fetch('/relative'));
        const reason = new Error('mine');
        equal(await rejects(Error, fetch('http://a', { signal: AbortSignal.abort(reason) })), reason);
    "#);
}

#[test]
fn form_data_is_a_multimap_of_strings_and_files() {
    run(r#"
        const form = new FormData();
        form.append('a', 1);
        form.append('a', '\ud800');
        form.append('f', new Blob(['x'], { type: 't/t' }));
        form.append('f', new File(['y'], 'n', { lastModified: 3 }), 'other');
        same([form.get('a'), form.getAll('a'), form.has('zz'), form.get('zz')], ['1', ['1', '\ufffd'], false, null]);
        const [blob, file] = form.getAll('f');
        same([blob instanceof File, blob.name, blob.type, await blob.text(), file.name, file.lastModified, await file.text()], [true, 'blob', 't/t', 'x', 'other', 3, 'y']);
        form.set('a', 'only');
        form.delete('f');
        same([...form], [['a', 'only']]);
        const given = new File([], 'same');
        form.set('g', given);
        equal(form.get('g'), given);
        throws(TypeError, () => form.append('a', 'string', 'name'));
        throws(TypeError, () => form.append('a'));
        throws(TypeError, () => new FormData({}));
        equal(Object.getOwnPropertyDescriptor(File.prototype, 'name').enumerable, true);
    "#);
}

#[test]
fn forms_travel_as_bodies() {
    run(r#"
        const form = new FormData();
        form.append('a"b\nc', 'one\ntwo');
        form.append('f', new File([new Uint8Array([0, 255, 13, 10])], 'x"y', { type: 'image/png' }));
        form.append('empty', '');
        const response = new Response(form);
        const type = response.headers.get('content-type');
        assert(/^multipart\/form-data; boundary=----formdata-[0-9a-f]{32}$/.test(type), type);
        const text = await response.clone().text();
        assert(text.includes('name="a%22b%0D%0Ac"\r\n\r\none\r\ntwo\r\n'), text);
        const back = await response.formData();
        same([...back.keys()], ['a"b\r\nc', 'f', 'empty']);
        equal(back.get('a"b\r\nc'), 'one\r\ntwo');
        equal(back.get('empty'), '');
        const file = back.get('f');
        same([file.name, file.type, ...await file.bytes()], ['x"y', 'image/png', 0, 255, 13, 10]);
        const parse = (body, type) => new Response(body, { headers: { 'content-type': type } }).formData();
        same([...await parse('a=1&b=c+d', 'application/x-www-form-urlencoded; charset=x')], [['a', '1'], ['b', 'c d']]);
        same([...await parse('--B\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n--B--', 'Multipart/Form-Data; boundary="B"')], [['k', 'v']]);
        same([...await parse('--B--\r\n', 'multipart/form-data; boundary=B')], []);
        await rejects(TypeError, new Response('a=1').formData());
        await rejects(TypeError, parse('x', 'multipart/form-data'));
        for (const bad of ['', '--', '--B', '--B\r\n', '--B\r\n\r\n', '--B\r\nContent-Disposition: form-data; name="k"\r\n\r\nv', '--B\r\nx\r\n\r\nv\r\n--B--',
            '--B\r\nContent-Disposition: attachment\r\n\r\nv\r\n--B--', '--C--']) {
            await rejects(TypeError, parse(bad, 'multipart/form-data; boundary=B'));
        }
        equal(new Request('http://a', { method: 'POST', body: new FormData() }).headers.has('content-type'), true);
    "#);
}
