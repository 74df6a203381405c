// EventTarget, which the global object is too. There is no tree of targets, so the path of an event has one.
(function (native, globalThis) {
  'use strict';
  const { Event, arity, define, defineGlobal, eventState: stateOf, isObject, str } = native;
  const { apply } = Reflect;

  // For the errors of listeners; see error_event.js.
  const report = (error) => native.reportUncaught(error);

  const captureOf = (options) => (isObject(options) ? !!options.capture : !!options);
  const find = (list, type, callback, capture) => {
    for (let i = 0; i < list.length; i++) {
      const l = list[i];
      if (l.callback === callback && l.type === type && l.capture === capture) return i;
    }
    return -1;
  };
  const drop = (list, at) => {
    list[at].removed = true;
    for (let i = at + 1; i < list.length; i++) list[i - 1] = list[i];
    list.length--;
  };
  const callbackOf = (v, what) => {
    if (v === undefined || v === null) return null;
    if (!isObject(v)) throw new TypeError(`${what}: the callback is not an object`);
    return v;
  };

  let dispatch;
  let listenersOf;
  // Called without an object, as a global function is, its methods mean the global object, which is a target although it
  // was not made as one.
  const target = (v) => (v === undefined || v === null ? globalThis : v);
  const ofGlobal = [];
  class EventTarget {
    #listeners = [];
    addEventListener(type, callback, options = undefined) {
      const list = listenersOf(target(this));
      arity(arguments.length, 2, 'EventTarget.addEventListener');
      type = str(type);
      callback = callbackOf(callback, 'EventTarget.addEventListener');
      const capture = captureOf(options);
      let once = false;
      let passive = false;
      let signal;
      if (isObject(options)) {
        once = !!options.once;
        passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !native.isAbortSignal(signal)) {
          throw new TypeError('EventTarget.addEventListener: signal is not an AbortSignal');
        }
        if (signal !== undefined && native.isAborted(signal)) return;
      }
      if (callback === null || find(list, type, callback, capture) >= 0) return;
      const listener = { __proto__: null, type, callback, capture, once, passive, removed: false };
      list[list.length] = listener;
      if (signal !== undefined) {
        native.whenAborted(signal, () => {
          for (let i = 0; i < list.length; i++) if (list[i] === listener) return drop(list, i);
        });
      }
    }
    removeEventListener(type, callback, options = undefined) {
      const list = listenersOf(target(this));
      arity(arguments.length, 2, 'EventTarget.removeEventListener');
      type = str(type);
      const at = find(list, type, callbackOf(callback, 'EventTarget.removeEventListener'), captureOf(options));
      if (at >= 0) drop(list, at);
    }
    dispatchEvent(event) {
      listenersOf(target(this));
      arity(arguments.length, 1, 'EventTarget.dispatchEvent');
      const state = stateOf(event);
      if (state === undefined) throw new TypeError('EventTarget.dispatchEvent: not an Event');
      if (state.dispatching) throw new native.DOMException('The event is already being dispatched', 'InvalidStateError');
      state.trusted = false;
      return dispatch(target(this), event, state);
    }
    static {
      native.brand((v) => #listeners in v);
      listenersOf = (v) => (v === globalThis ? ofGlobal : v.#listeners);
      const invoke = (listener, target, event) => {
        const { callback } = listener;
        try {
          if (typeof callback === 'function') apply(callback, target, [event]);
          else {
            const handle = callback.handleEvent;
            if (typeof handle !== 'function') throw new TypeError('handleEvent is not a function');
            apply(handle, callback, [event]);
          }
        } catch (error) {
          report(error);
        }
      };
      const pass = (target, event, state, capture) => {
        if (state.stop) return;
        const live = listenersOf(target);
        // Listeners that are added meanwhile wait for the next event.
        const list = [];
        for (let i = 0; i < live.length; i++) if (live[i].type === state.type && live[i].capture === capture) list[list.length] = live[i];
        for (let i = 0; i < list.length && !state.stopNow; i++) {
          const listener = list[i];
          if (listener.removed) continue;
          if (listener.once) {
            for (let j = 0; j < live.length; j++) if (live[j] === listener) { drop(live, j); break; }
          }
          state.passive = listener.passive;
          invoke(listener, target, event);
          state.passive = false;
        }
      };
      dispatch = (target, event, state) => {
        state.dispatching = true;
        state.target = state.current = target;
        state.phase = 2;
        // At the target, too, capturing listeners come first.
        pass(target, event, state, true);
        pass(target, event, state, false);
        state.phase = 0;
        state.current = null;
        state.dispatching = state.stop = state.stopNow = false;
        return !state.canceled;
      };
    }
  }
  define(EventTarget);

  for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) defineGlobal(name, EventTarget.prototype[name]);

  // Events of the platform itself are trusted. False where one was canceled.
  const trust = (target, event) => {
    const state = stateOf(event);
    state.trusted = true;
    return dispatch(target, event, state);
  };
  native.fire = (target, type) => trust(target, new Event(type));
  native.dispatchTrusted = trust;
  native.EventTarget = EventTarget;
  const { addEventListener, removeEventListener } = EventTarget.prototype;

  // An attribute `on...` of a target: the first handler that is set takes a place among the listeners, and keeps it.
  class Handlers extends WeakMap {}
  for (const name of ['get', 'set']) Object.defineProperty(Handlers.prototype, name, { __proto__: null, value: WeakMap.prototype[name] });
  native.handlerAttribute = (host, type, check, whenSet = undefined) => {
    const name = `on${type}`;
    const handlers = new Handlers();
    const attribute = {
      get [name]() {
        return handlers.get(check(this))?.value ?? null;
      },
      set [name](value) {
        const object = check(this);
        value = isObject(value) ? value : null;
        let handler = handlers.get(object);
        if (handler === undefined) {
          if (value === null) return;
          handler = { __proto__: null, value: null, listening: false, call: undefined };
          handler.call = (event) => {
            const { value: f } = handler;
            if (typeof f !== 'function') return;
            const state = stateOf(event);
            // An error is told to the global handler by its parts, and `true` says that it was dealt with.
            if (state.type === 'error' && object === globalThis && native.isErrorEvent(event)) {
              if (apply(f, object, [event.message, event.filename, event.lineno, event.colno, event.error]) === true) event.preventDefault();
            } else if (apply(f, object, [event]) === false) {
              event.preventDefault();
            }
          };
          handlers.set(object, handler);
        }
        handler.value = value;
        if (whenSet !== undefined) whenSet(object);
        if (value === null && handler.listening) {
          apply(removeEventListener, object, [type, handler.call]);
          handler.listening = false;
        } else if (value !== null && !handler.listening) {
          apply(addEventListener, object, [type, handler.call]);
          handler.listening = true;
        }
      },
    };
    const descriptor = Object.getOwnPropertyDescriptor(attribute, name);
    descriptor.enumerable = descriptor.configurable = true;
    Object.defineProperty(host, name, descriptor);
  };
})
