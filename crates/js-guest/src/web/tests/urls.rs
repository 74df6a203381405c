//! URL and URLSearchParams.

use super::run;

#[test]
fn urls_are_parsed_and_normalised() {
    run(r#"
        const url = new URL('HTTP://user:pa%20ss@EXAMPLE.com:80/a/../b c?q=1 2#f');
        same([url.href, url.origin, url.protocol, url.username, url.password, url.host, url.hostname, url.port, url.pathname, url.search, url.hash],
            ['http://user:pa%20ss@example.com/b%20c?q=1%202#f', 'http://example.com', 'http:', 'user', 'pa%20ss', 'example.com', 'example.com', '', '/b%20c', '?q=1%202', '#f']);
        equal(`${url}`, url.href);
        equal(JSON.stringify({ url }), JSON.stringify({ url: url.href }));
        equal(new URL('../x?y', 'https://a.b/c/d/e').href, 'https://a.b/c/x?y');
        equal(new URL('//h/p', 'https://a.b').href, 'https://h/p');
        equal(new URL('https://ex\u00e4mple.com').hostname, 'xn--exmple-cua.com');
        equal(new URL('http://0x7f.1/').hostname, '127.0.0.1');
        equal(new URL('http://[::1]:8080/').host, '[::1]:8080');
        equal(new URL('data:text/plain,hi').origin, 'null');
        equal(new URL('blob:https://a:443/x').origin, 'https://a');
        equal(new URL('blob:ftp://a/x').origin, 'null');
        equal(new URL('https://a/?\ud800').search, '?%EF%BF%BD');
        for (const bad of ['', 'x', '/a', 'http://', 'http://a b', 'http://a:99999', 'https://exa%23mple.org', undefined]) throws(TypeError, () => new URL(bad));
        throws(TypeError, () => new URL('/a', 'nonsense'));
        throws(TypeError, () => new URL('http://a', 'nonsense'));
        throws(TypeError, () => new URL(Symbol()));
    "#);
}

#[test]
fn can_parse_and_parse_never_throw_for_bad_urls() {
    run(r#"
        same([URL.canParse('http://a'), URL.canParse('a'), URL.canParse('a', 'http://b'), URL.canParse('a', undefined)], [true, false, true, false]);
        equal(URL.parse('a'), null);
        equal(URL.parse('a', 'http://b/').href, 'http://b/a');
        assert(URL.parse('http://a') instanceof URL);
        let calls = 0;
        URL.parse({ toString() { calls++; return 'http://a'; } });
        equal(calls, 1);
    "#);
}

#[test]
fn setters_change_parts_or_leave_them() {
    run(r#"
        const url = new URL('http://a/b');
        url.protocol = 'https'; url.host = 'c:81'; url.pathname = 'x y'; url.search = 'q'; url.hash = 'h'; url.username = 'u@'; url.password = 'p';
        equal(url.href, 'https://u%40:p@c:81/x%20y?q#h');
        url.port = '99999'; url.host = ''; url.protocol = 'mailto';
        equal(url.host, 'c:81');
        url.port = '';
        url.search = '';
        url.hash = '';
        equal(url.href, 'https://u%40:p@c/x%20y');
        throws(TypeError, () => { url.href = 'nope'; });
        equal(url.hostname, 'c');
        url.href = 'http://z/';
        equal(url.href, 'http://z/');
        url.protocol = 'h\tt\ntp\rs'; url.hostname = 'a\tb'; url.hash = 'x\ny';
        equal(url.href, 'https://ab/#xy');
        const credentials = new URL('foo://u@h/');
        credentials.host = '\t';
        equal(credentials.href, 'foo://u@h/');
        const before = url.origin;
        'use strict';
        throws(TypeError, () => { (function () { 'use strict'; url.origin = 'x'; })(); });
        equal(url.origin, before);
    "#);
}

#[test]
fn search_params_live_both_ways() {
    run(r#"
        const url = new URL('http://a/?x=1&y=2#h');
        const params = url.searchParams;
        equal(params, url.searchParams);
        params.append('z', 'a b&c');
        equal(url.href, 'http://a/?x=1&y=2&z=a+b%26c#h');
        url.search = '?k=v';
        same([...params], [['k', 'v']]);
        params.delete('k');
        equal(url.href, 'http://a/#h');
        url.href = 'http://b/?n=%F0%9F%98%80';
        equal(params.get('n'), '\u{1F600}');
        params.set('n', '\ud83d');
        equal(url.search, '?n=%EF%BF%BD');
        url.hash = 'other';
        equal(params.size, 1);
    "#);
}

#[test]
fn search_params_are_made_from_anything() {
    run(r#"
        equal(new URLSearchParams('?a=1&a=2&b').toString(), 'a=1&a=2&b=');
        equal(new URLSearchParams('a=b+c%zz').get('a'), 'b c%zz');
        equal(new URLSearchParams([['a', 1], new Set(['b', 'c'])]).toString(), 'a=1&b=c');
        equal(new URLSearchParams({ a: 1, 'b c': '\u20ac' }).toString(), 'a=1&b+c=%E2%82%AC');
        equal(new URLSearchParams(new URLSearchParams('a=b')).get('a'), 'b');
        equal(new URLSearchParams(new Map([['m', 'n']])).get('m'), 'n');
        equal(new URLSearchParams(undefined).toString(), '');
        equal(new URLSearchParams(null).toString(), 'null=');
        equal(new URLSearchParams('\ud800').toString(), '%EF%BF%BD=');
        throws(TypeError, () => new URLSearchParams([['a']]));
        throws(TypeError, () => new URLSearchParams([1]));
        throws(TypeError, () => new URLSearchParams({ [Symbol('s')]: 1 }));
        equal(new URLSearchParams({ '\ud835x': '1', xx: '2', '\ud83dxx': '3' }).get('\ufffdx'), '1');
        equal(new URLSearchParams({ 'x\udc53': '1', 'x\udc5c': '2', 'x\udc65': '3' }).toString(), 'x%EF%BF%BD=3');
    "#);
}

#[test]
fn search_params_have_the_methods_of_a_multimap() {
    run(r#"
        const p = new URLSearchParams('b=1&a=2&b=3');
        same([p.size, p.get('b'), p.getAll('b'), p.has('a'), p.has('a', '3'), p.has('b', 3), p.get('zz')], [3, '1', ['1', '3'], true, false, true, null]);
        p.set('b', 'x');
        equal(`${p}`, 'b=x&a=2');
        p.append('b', 'y');
        p.delete('b', 'x');
        equal(`${p}`, 'a=2&b=y');
        p.append('\uffff', 1); p.append('\u{1F600}', 2); p.append('a', 1);
        p.sort();
        same([...p.keys()], ['a', 'a', 'b', '\u{1F600}', '\uffff']);
        same([...p.values()].slice(0, 2), ['2', '1']);
        const seen = [];
        p.forEach(function (value, name, all) { seen.push(this.t, name, value, all === p); }, { t: 1 });
        same(seen.slice(0, 4), [1, 'a', '2', true]);
        const live = new URLSearchParams('a=1&b=2');
        const it = live.entries();
        equal(it[Symbol.toStringTag], 'URLSearchParams Iterator');
        equal(Object.getPrototypeOf(Object.getPrototypeOf(it)), Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())));
        it.next();
        live.append('c', 3);
        live.delete('b');
        same(it.next().value, ['c', '3']);
        throws(TypeError, () => p.forEach(1));
    "#);
}

#[test]
fn patterns_of_urls_match_and_name_groups() {
    run(r#"
        const p = new URLPattern({ pathname: '/books/:id(\\d+)/*' });
        same([p.pathname, p.hasRegExpGroups, p.test('https://a.example/books/12/x'), p.test('https://a.example/books/b/x')], ['/books/:id(\\d+)/*', true, true, false]);
        same(p.exec({ pathname: '/books/7/rest' }).pathname, { input: '/books/7/rest', groups: { 0: 'rest', id: '7' } });
        const q = new URLPattern('https://:sub.my-site.example/:page?', { ignoreCase: true });
        equal(q.exec('https://www.my-site.example/Home').hostname.groups.sub, 'www');
        equal(new URLPattern('/a', 'https://b.example').exec('https://b.example/a').inputs[0], 'https://b.example/a');
        equal(new URLPattern('(http|https)://x').test('https://x/'), true);
        for (const bad of [() => new URLPattern('/relative'), () => new URLPattern('(', 'https://a/'), () => new URLPattern({ pathname: '([' })]) throws(TypeError, bad);
    "#);
}
