//! Streams, and what is made of them.

use super::run;

#[test]
fn streams_are_read_piped_and_cancelled() {
    run(r#"
        const source = new ReadableStream({ start(c) { for (const v of [1, 2, 3]) c.enqueue(v); c.close(); } });
        const seen = [];
        for await (const v of source.pipeThrough(new TransformStream({ transform(v, c) { c.enqueue(v * 2); } }))) seen.push(v);
        same(seen, [2, 4, 6]);
        same(await Array.fromAsync(ReadableStream.from(['a', 'b'])), ['a', 'b']);
        const [one, two] = ReadableStream.from([1, 2]).tee();
        same([await Array.fromAsync(one), await Array.fromAsync(two)], [[1, 2], [1, 2]]);
        const bytes = new ReadableStream({ type: 'bytes', pull(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close(); } });
        const reader = bytes.getReader({ mode: 'byob' });
        const first = await reader.read(new Uint8Array(2));
        same([...first.value], [1, 2]);
        let reason;
        const never = new ReadableStream({ cancel(r) { reason = r; } });
        const controller = new AbortController();
        const piped = never.pipeTo(new WritableStream(), { signal: controller.signal });
        controller.abort('enough');
        let said; try { await piped } catch (e) { said = e }
        same([said, reason], ['enough', 'enough']);
        equal(Function.prototype.toString.call(ReadableStream).includes('[native code]'), true);
    "#);
}

#[test]
fn bodies_are_streams_when_somebody_asks() {
    run(r#"
        const r = new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('in ')); c.enqueue(new TextEncoder().encode('pieces')); c.close(); } }));
        const copy = r.clone();
        same([r.bodyUsed, await r.text(), r.bodyUsed, await copy.text()], [false, 'in pieces', true, 'in pieces']);
        await rejects(TypeError, r.text());
        const s = new Response('text');
        const reader = s.body.getReader();
        same([s.body.locked, s.bodyUsed], [true, false]);
        await rejects(TypeError, s.text());
        equal(new TextDecoder().decode((await reader.read()).value), 'text');
        same([(await reader.read()).done, s.bodyUsed], [true, true]);
        const spent = new Response('x');
        await spent.text();
        same([spent.body.locked, spent.bodyUsed], [true, true]);
        await rejects(TypeError, new Response(ReadableStream.from(['no bytes'])).text());
        throws(TypeError, () => new Request('http://a/', { method: 'POST', body: new ReadableStream() }));
        const request = new Request('http://a/', { method: 'POST', body: ReadableStream.from([new Uint8Array([104, 105])]), duplex: 'half' });
        const moved = new Request(request);
        same([request.bodyUsed, await moved.text()], [true, 'hi']);
        equal(await new Response(new Blob(['blob']).stream()).text(), 'blob');
        same([await new Response('').body.getReader().read()], [{ done: true }]);
    "#);
}

#[test]
fn streams_of_text_and_of_compressed_bytes() {
    run(r#"
        const through = async (chunks, ...transforms) => {
            let stream = ReadableStream.from(chunks);
            for (const t of transforms) stream = stream.pipeThrough(t);
            return Array.fromAsync(stream);
        };
        same(await through(['\ud83d', '\ude00'], new TextEncoderStream(), new TextDecoderStream()), ['\u{1F600}']);
        same(await through(['\ud83d'], new TextEncoderStream(), new TextDecoderStream()), ['\ufffd']);
        const long = 'compress me '.repeat(5000);
        for (const format of ['gzip', 'deflate', 'deflate-raw']) {
            const packed = await through([long], new TextEncoderStream(), new CompressionStream(format));
            assert(packed.reduce((n, c) => n + c.length, 0) < 1000, format);
            equal((await through(packed, new DecompressionStream(format), new TextDecoderStream())).join(''), long, format);
            const bytes = new Uint8Array(await new Blob(packed).arrayBuffer());
            // Byte by byte it is the same; cut short, changed or followed by something it is an error.
            equal((await through(Array.from(bytes, (b) => new Uint8Array([b])), new DecompressionStream(format), new TextDecoderStream())).join(''), long);
            await rejects(TypeError, through([bytes.subarray(0, -1)], new DecompressionStream(format)));
            await rejects(TypeError, through([bytes, new Uint8Array(1)], new DecompressionStream(format)));
        }
        const empty = await through([], new CompressionStream('gzip'));
        same(await through(empty, new DecompressionStream('gzip')), []);
        throws(TypeError, () => new CompressionStream('zip'));
        await rejects(TypeError, through(['text'], new CompressionStream('gzip')));
    "#);
}

#[test]
fn streams_move_by_structured_clone() {
    run(r#"
        const from = ReadableStream.from([{ n: 1 }]);
        const to = structuredClone(from, { transfer: [from] });
        same([from.locked, await Array.fromAsync(to)], [true, [{ n: 1 }]]);
        throws('DataCloneError', () => structuredClone(new ReadableStream()));
        throws('DataCloneError', () => structuredClone(from, { transfer: [from] }));
    "#);
}
