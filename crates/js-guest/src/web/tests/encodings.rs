//! Text encodings and base64.

use super::run;

#[test]
fn text_is_encoded_as_utf8() {
    run(r#"
        const e = new TextEncoder();
        equal(e.encoding, 'utf-8');
        same([...e.encode('a\u00e9\u20ac\u{1F600}')], [97, 195, 169, 226, 130, 172, 240, 159, 152, 128]);
        same([...e.encode('\ud800x\udc00')], [239, 191, 189, 120, 239, 191, 189]);
        same([e.encode().length, e.encode(undefined).length, e.encode(null).length], [0, 0, 4]);
        assert(e.encode('') instanceof Uint8Array);
        const target = new Uint8Array(5);
        same(e.encodeInto('\u20ac\u{1F600}', target), { read: 1, written: 3 });
        same(e.encodeInto('\u{1F600}z', target), { read: 3, written: 5 });
        same(e.encodeInto('ab', target.subarray(4)), { read: 1, written: 1 });
        same(e.encodeInto('\ud800', target), { read: 1, written: 3 });
        same(e.encodeInto('a', new Uint8Array(0)), { read: 0, written: 0 });
        throws(TypeError, () => e.encodeInto('a', new Uint16Array(1)));
        throws(TypeError, () => e.encodeInto('a', {}));
        const gone = new Uint8Array(4);
        gone.buffer.transfer();
        same(e.encodeInto('a', gone), { read: 0, written: 0 });
    "#);
}

#[test]
fn labels_name_encodings() {
    run(r#"
        same([new TextDecoder().encoding, new TextDecoder(' UTF8\n').encoding, new TextDecoder('latin1').encoding, new TextDecoder('utf-16').encoding],
            ['utf-8', 'utf-8', 'windows-1252', 'utf-16le']);
        for (const bad of ['nope', 'replacement', 'utf-7', '\0utf-8', '']) throws(RangeError, () => new TextDecoder(bad));
        equal(new TextDecoder('shift_jis').decode(new Uint8Array([0x82, 0xa0])), '\u3042');
        equal(new TextDecoder('windows-1252').decode(new Uint8Array([0x80])), '\u20ac');
        equal(new TextDecoder('utf-16be').decode(new Uint8Array([0xd8, 0x3d, 0xde, 0x00, 0xd8, 0x00])), '\u{1F600}\ufffd');
    "#);
}

#[test]
fn malformed_text_is_replaced_or_refused() {
    run(r#"
        const bytes = new Uint8Array([0x61, 0xff, 0xe2, 0x82]);
        equal(new TextDecoder().decode(bytes), 'a\ufffd\ufffd');
        const fatal = new TextDecoder('utf-8', { fatal: true });
        equal(fatal.fatal, true);
        throws(TypeError, () => fatal.decode(bytes));
        equal(fatal.decode(new Uint8Array([0x61])), 'a');
        throws(TypeError, () => fatal.decode('x'));
        throws(TypeError, () => fatal.decode(null));
        throws(TypeError, () => new TextDecoder('utf-8', 1));
    "#);
}

#[test]
fn a_byte_order_mark_is_dropped_once() {
    run(r#"
        const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 0x61]);
        equal(new TextDecoder().decode(bytes), '\ufeffa');
        equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), '\ufeff\ufeffa');
        const d = new TextDecoder();
        equal(d.decode(bytes.subarray(0, 2), { stream: true }), '');
        equal(d.decode(bytes.subarray(2, 3), { stream: true }), '');
        equal(d.decode(bytes.subarray(3, 6)), '\ufeff');
        equal(d.decode(bytes.subarray(0, 3)), '');
    "#);
}

#[test]
fn streams_carry_their_state() {
    run(r#"
        const d = new TextDecoder();
        const smile = new Uint8Array([0xf0, 0x9f, 0x98, 0x80]);
        equal(d.decode(smile.subarray(0, 1), { stream: true }) + d.decode(smile.subarray(1, 3), { stream: true }) + d.decode(smile.subarray(3)), '\u{1F600}');
        d.decode(smile.subarray(0, 2), { stream: true });
        equal(d.decode(), '\ufffd');
        equal(d.decode(), '');
        const fatal = new TextDecoder('utf-8', { fatal: true });
        equal(fatal.decode(smile.subarray(0, 2), { stream: true }), '');
        throws(TypeError, () => fatal.decode());
        equal(fatal.decode(smile), '\u{1F600}');
        const jis = new TextDecoder('shift_jis');
        equal(jis.decode(new Uint8Array([0x82]), { stream: true }) + jis.decode(new Uint8Array([0xa0])), '\u3042');
    "#);
}

#[test]
fn every_kind_of_buffer_is_decoded() {
    run(r#"
        const bytes = new Uint8Array([0x78, 0x61, 0x62, 0x79]);
        const d = new TextDecoder();
        equal(d.decode(bytes.buffer), 'xaby');
        equal(d.decode(new DataView(bytes.buffer, 1, 2)), 'ab');
        equal(d.decode(new Uint16Array(bytes.buffer, 2)), 'by');
        const resizable = new ArrayBuffer(4, { maxByteLength: 8 });
        const tracking = new Uint8Array(resizable);
        tracking.fill(0x61);
        resizable.resize(2);
        equal(d.decode(tracking), 'aa');
        const fixed = new Uint8Array(resizable, 1, 1);
        resizable.resize(0);
        equal(d.decode(fixed), '');
        bytes.buffer.transfer();
        equal(d.decode(bytes), '');
        equal(d.decode(new DataView(new ArrayBuffer(1))), '\0');
    "#);
}

#[test]
fn base64_is_forgiving_in_one_direction() {
    run(r#"
        same([btoa(''), btoa('a'), btoa('\xff\xfe'), btoa(null), btoa(12)], ['', 'YQ==', '//4=', 'bnVsbA==', 'MTI=']);
        throws('InvalidCharacterError', () => btoa('\u0100'));
        throws('InvalidCharacterError', () => btoa('\ud800'));
        equal(throws('InvalidCharacterError', () => atob('%')).code, 5);
        same([atob(''), atob('YQ=='), atob('YQ'), atob(' Y\tQ\n=\f=\r'), atob('//4=')], ['', 'a', 'a', 'a', '\xff\xfe']);
        equal(atob('ab'), 'i');
        equal(atob('abc'), 'i\xb7');
        equal(atob(null), '\x9e\xe9e');
        for (const bad of ['a', 'ab=', 'abc==', 'abcde', '=', '====', 'ab=c', 'ab===', 'a\u00a0b', 'YQ==YQ==', 'abcd====', '_-==', 'ab\x0b', undefined + '=']) {
            throws('InvalidCharacterError', () => atob(bad));
        }
    "#);
}

/// Every encoding, malformed input included: where chunks end must not matter.
#[test]
fn chunks_leave_no_trace_in_the_text() {
    run(r#"
        let seed = 12345;
        const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
        const labels = ['utf-8', 'gbk', 'gb18030', 'big5', 'euc-jp', 'iso-2022-jp', 'shift_jis', 'euc-kr', 'utf-16le', 'utf-16be', 'x-user-defined', 'koi8-r'];
        for (let i = 0; i < 3000; i++) {
            const bytes = new Uint8Array(random(40));
            for (let j = 0; j < bytes.length; j++) bytes[j] = random(4) ? random(256) : [0x1b, 0x24, 0x42, 0xef, 0xbb, 0xbf, 0xd8, 0x81][random(8)];
            const label = labels[random(labels.length)];
            const whole = new TextDecoder(label).decode(bytes);
            const decoder = new TextDecoder(label);
            let text = '';
            for (let at = 0; at < bytes.length;) {
                const end = at + random(5);
                text += decoder.decode(bytes.subarray(at, end), { stream: true });
                at = end;
            }
            equal(text + decoder.decode(), whole, `${label} ${bytes}`);
        }
    "#);
}
