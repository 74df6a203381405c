//! Events, aborting and errors.

use super::run;

#[test]
fn interfaces_look_as_web_idl_wants() {
    run(r#"
        const classes = ['DOMException', 'Event', 'CustomEvent', 'EventTarget', 'AbortController', 'AbortSignal', 'URL', 'URLSearchParams',
            'Headers', 'Request', 'Response', 'FormData', 'Blob', 'File', 'TextEncoder', 'TextDecoder', 'Crypto', 'SubtleCrypto', 'Performance', 'Navigator'];
        for (const name of classes) {
            const Class = globalThis[name];
            equal(typeof Class, 'function', name);
            equal(Class.prototype[Symbol.toStringTag], name);
            const own = Object.getOwnPropertyDescriptor(globalThis, name);
            same([own.enumerable, own.writable, own.configurable], [false, true, true], name);
            throws(TypeError, () => Class());
        }
        for (const name of ['fetch', 'structuredClone', 'atob', 'btoa', 'reportError']) {
            equal(Object.getOwnPropertyDescriptor(globalThis, name).enumerable, true, name);
            equal(globalThis[name].name, name);
            throws(TypeError, () => new globalThis[name]('x'));
        }
        for (const [Class, name] of [[URL, 'href'], [URL, 'toJSON'], [Headers, 'get'], [Response, 'json'], [Request, 'text'], [Headers, 'forEach'], [Event, 'type']]) {
            equal(Object.getOwnPropertyDescriptor(Class.prototype, name).enumerable, true, name);
        }
        equal(Object.getOwnPropertyDescriptor(URL, 'canParse').enumerable, true);
        equal(Object.getOwnPropertyDescriptor(Headers.prototype, Symbol.iterator).enumerable, false);
        for (const [Class, length] of [[URL, 1], [Request, 1], [Response, 0], [Headers, 0], [Blob, 0], [File, 2], [Event, 1], [TextDecoder, 0], [AbortSignal, 0]]) {
            equal(Class.length, length, Class.name);
        }
        for (const Class of [AbortSignal, Crypto, SubtleCrypto, Performance, Navigator]) throws(TypeError, () => new Class());
        equal(Headers.prototype.entries, Headers.prototype[Symbol.iterator]);
        for (const name of ['native', 'SECRET', 'define']) equal(name in globalThis, false);
        equal(self, globalThis);
        equal(navigator.userAgent, 'doer');
    "#);
}

#[test]
fn wrong_receivers_and_missing_arguments_are_type_errors() {
    run(r#"
        const getter = (Class, name) => Object.getOwnPropertyDescriptor(Class.prototype, name).get;
        for (const [Class, name] of [[URL, 'href'], [Response, 'status'], [Response, 'headers'], [Request, 'headers'], [Request, 'signal'], [Request, 'keepalive'],
            [Blob, 'size'], [Event, 'type'], [AbortSignal, 'aborted'], [TextEncoder, 'encoding'], [Navigator, 'userAgent'], [Response, 'bodyUsed']]) {
            for (const wrong of [{}, Class.prototype, null, 1]) throws(TypeError, () => getter(Class, name).call(wrong));
        }
        await rejects(TypeError, Response.prototype.text.call({}));
        await rejects(TypeError, Blob.prototype.text.call({}));
        await rejects(TypeError, crypto.subtle.digest('SHA-1'));
        await rejects(TypeError, fetch());
        const headers = new Headers(), params = new URLSearchParams();
        for (const f of [() => headers.get(), () => headers.append('a'), () => headers.set('a'), () => params.get(), () => params.append('a'), () => new URL(),
            () => URL.canParse(), () => new Event(), () => new EventTarget().addEventListener('a'), () => atob(), () => btoa(), () => structuredClone(),
            () => crypto.getRandomValues(), () => Response.json(), () => Response.redirect(), () => headers.forEach(), () => new File([]), () => AbortSignal.timeout()]) {
            throws(TypeError, f);
        }
        equal(headers.get(undefined), null);
        equal(Headers.prototype[Symbol.iterator].call(headers).next().done, true);
    "#);
}

#[test]
fn dom_exceptions_have_their_legacy_codes() {
    run(r#"
        const e = new DOMException('m', 'DataCloneError');
        same([e.name, e.message, e.code, DOMException.DATA_CLONE_ERR, e.DATA_CLONE_ERR], ['DataCloneError', 'm', 25, 25, 25]);
        assert(e instanceof Error);
        same([new DOMException().name, new DOMException().code, new DOMException('', 'Other').code], ['Error', 0, 0]);
        equal(String(e), 'DataCloneError: m');
        equal(typeof e.stack, 'string');
        equal(new DOMException('', 'AbortError').code, DOMException.ABORT_ERR);
    "#);
}

#[test]
fn listeners_run_in_order_and_once() {
    run(r#"
        const target = new EventTarget();
        const log = [];
        const f = () => log.push('f');
        target.addEventListener('x', f);
        target.addEventListener('x', f);
        target.addEventListener('x', () => log.push('capture'), true);
        target.addEventListener('x', { handleEvent(e) { log.push(this !== undefined && e.type); } }, { once: true });
        target.addEventListener('x', null);
        throws(TypeError, () => target.addEventListener('x', 1));
        const event = new Event('x', { cancelable: true });
        equal(target.dispatchEvent(event), true);
        same(log, ['capture', 'f', 'x']);
        target.dispatchEvent(event);
        same(log, ['capture', 'f', 'x', 'capture', 'f']);
        target.removeEventListener('x', f);
        log.length = 0;
        target.dispatchEvent(new Event('x'));
        same(log, ['capture']);
    "#);
}

#[test]
fn listeners_may_change_the_listeners() {
    run(r#"
        const target = new EventTarget();
        const log = [];
        const second = () => log.push(2);
        target.addEventListener('x', () => { log.push(1); target.removeEventListener('x', second); target.addEventListener('x', () => log.push(3)); });
        target.addEventListener('x', second);
        target.dispatchEvent(new Event('x'));
        same(log, [1]);
        const phases = new EventTarget();
        const order = [];
        phases.addEventListener('x', () => { order.push('capture'); phases.addEventListener('x', () => order.push('added')); }, { capture: true, once: true });
        phases.dispatchEvent(new Event('x'));
        same(order, ['capture', 'added']);
        phases.addEventListener('x', (e) => e.stopPropagation(), true);
        phases.dispatchEvent(new Event('x'));
        same(order, ['capture', 'added']);
        const stopped = new EventTarget();
        stopped.addEventListener('x', (e) => { log.push('a'); e.stopImmediatePropagation(); });
        stopped.addEventListener('x', () => log.push('b'));
        stopped.dispatchEvent(new Event('x'));
        same(log, [1, 'a']);
    "#);
}

#[test]
fn a_throwing_listener_stops_nobody() {
    run(r#"
        const seen = [];
        globalThis.console = { error: (e) => seen.push(e.message) };
        const target = new EventTarget();
        target.addEventListener('x', () => { throw new Error('first'); });
        target.addEventListener('x', {});
        target.addEventListener('x', () => seen.push('last'));
        equal(target.dispatchEvent(new Event('x')), true);
        same(seen, ['first', 'handleEvent is not a function', 'last']);
        globalThis.console = undefined;
        reportError(new Error('to nobody'));
    "#);
}

#[test]
fn event_state_during_and_after_dispatch() {
    run(r#"
        const target = new EventTarget();
        const event = new CustomEvent('x', { cancelable: true, detail: 5 });
        same([event.detail, new CustomEvent('y').detail, event.isTrusted, event.eventPhase, event.target], [5, null, false, 0, null]);
        target.addEventListener('x', (e) => {
            equal(e.target, target); equal(e.currentTarget, target); equal(e.eventPhase, Event.AT_TARGET);
            equal(e.composedPath()[0], target);
            throws('InvalidStateError', () => target.dispatchEvent(e));
            e.preventDefault();
        });
        equal(target.dispatchEvent(event), false);
        same([event.defaultPrevented, event.returnValue, event.eventPhase, event.currentTarget, event.composedPath().length], [true, false, 0, null, 0]);
        equal(event.target, target);
        target.addEventListener('p', (e) => e.preventDefault(), { passive: true });
        equal(target.dispatchEvent(new Event('p', { cancelable: true })), true);
        throws(TypeError, () => target.dispatchEvent({}));
        const trusted = Object.getOwnPropertyDescriptor(event, 'isTrusted');
        same([trusted.configurable, trusted.enumerable, typeof trusted.get], [false, true, 'function']);
        event.initEvent('z', true);
        same([event.type, event.bubbles, event.cancelable, event.defaultPrevented], ['z', true, false, false]);
    "#);
}

#[test]
fn aborting_tells_everybody_once() {
    run(r#"
        const controller = new AbortController();
        const { signal } = controller;
        equal(signal, controller.signal);
        const log = [];
        signal.onabort = function (e) { log.push(['on', this === signal, e.isTrusted, e.type]); };
        signal.addEventListener('abort', () => log.push('listener'));
        signal.throwIfAborted();
        equal(signal.reason, undefined);
        controller.abort();
        controller.abort('again');
        same(log, [['on', true, true, 'abort'], 'listener']);
        same([signal.aborted, signal.reason.name, signal.reason instanceof DOMException], [true, 'AbortError', true]);
        throws('AbortError', () => signal.throwIfAborted());
        equal(AbortSignal.abort(7).reason, 7);
        equal(AbortSignal.abort().reason.code, 20);
        signal.onabort = 5;
        equal(signal.onabort, null);
    "#);
}

#[test]
fn any_follows_its_sources_and_theirs() {
    run(r#"
        const a = new AbortController(), b = new AbortController();
        const ab = AbortSignal.any([a.signal, b.signal]);
        const abc = AbortSignal.any([ab, new AbortController().signal]);
        const order = [];
        abc.addEventListener('abort', () => order.push('abc', ab.aborted));
        b.signal.addEventListener('abort', () => order.push('b', abc.aborted));
        b.abort('why');
        same(order, ['b', true, 'abc', true]);
        same([ab.aborted, ab.reason, abc.reason, a.signal.aborted], [true, 'why', 'why', false]);
        a.abort('late');
        equal(ab.reason, 'why');
        equal(AbortSignal.any([]).aborted, false);
        equal(AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason, 1);
        throws(TypeError, () => AbortSignal.any([1]));
        throws(TypeError, () => AbortSignal.any());
        const target = new EventTarget();
        const remover = new AbortController();
        let calls = 0;
        target.addEventListener('x', () => calls++, { signal: remover.signal });
        target.dispatchEvent(new Event('x'));
        remover.abort();
        target.dispatchEvent(new Event('x'));
        target.addEventListener('x', () => calls++, { signal: remover.signal });
        target.dispatchEvent(new Event('x'));
        equal(calls, 1);
    "#);
}

#[test]
fn timeouts_use_the_timer_of_the_global_object() {
    run(r#"
        let due, after;
        globalThis.setTimeout = (f, ms) => { due = f; after = ms; };
        const signal = AbortSignal.timeout(20);
        equal(after, 20);
        equal(signal.aborted, false);
        due();
        equal(signal.reason.name, 'TimeoutError');
        for (const bad of [-1, NaN, Infinity, 2 ** 53]) throws(TypeError, () => AbortSignal.timeout(bad));
    "#);
}

#[test]
fn the_global_object_hears_of_errors_that_nobody_caught() {
    run(r#"
        const seen = [];
        addEventListener('error', (event) => { seen.push([event.error.message, event instanceof ErrorEvent, event.target === globalThis]); event.preventDefault(); });
        reportError(new Error('reported'));
        queueMicrotask(() => { throw new Error('queued'); });
        await null;
        globalThis.onerror = (...all) => { seen.push(all.length); return true; };
        reportError(new Error('again'));
        same(seen, [['reported', true, true], ['queued', true, true], ['again', true, true], 5]);
        throws(TypeError, () => new PromiseRejectionEvent('x'));
        equal(new MessageEvent('message', { data: 1 }).data, 1);
    "#);
}
