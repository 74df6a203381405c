// Event and CustomEvent.
(function (native, globalThis) {
  'use strict';
  const { arity, constants, define, dictionary, isObject, str, now } = native;
  const { defineProperty } = Object;

  let stateOf;
  class Event {
    // One record instead of a field each: EventTarget changes it during dispatch.
    #state;
    constructor(type, init = undefined) {
      arity(arguments.length, 1, 'Event');
      const state = {
        __proto__: null, type: str(type), bubbles: false, cancelable: false, composed: false, target: null, current: null, phase: 0,
        stop: false, stopNow: false, canceled: false, passive: false, dispatching: false, trusted: false, time: now(),
      };
      init = dictionary(init, 'Event: init');
      if (init !== undefined) {
        state.bubbles = !!init.bubbles;
        state.cancelable = !!init.cancelable;
        state.composed = !!init.composed;
      }
      this.#state = state;
      defineProperty(this, 'isTrusted', isTrusted);
    }
    get type() { return this.#state.type; }
    get target() { return this.#state.target; }
    get srcElement() { return this.#state.target; }
    get currentTarget() { return this.#state.current; }
    composedPath() { return this.#state.current === null ? [] : [this.#state.current]; }
    get eventPhase() { return this.#state.phase; }
    stopPropagation() { this.#state.stop = true; }
    get cancelBubble() { return this.#state.stop; }
    set cancelBubble(value) { if (value) this.#state.stop = true; else this.#state; }
    stopImmediatePropagation() { this.#state.stop = this.#state.stopNow = true; }
    get bubbles() { return this.#state.bubbles; }
    get cancelable() { return this.#state.cancelable; }
    get returnValue() { return !this.#state.canceled; }
    set returnValue(value) { if (!value) cancel(this.#state); else this.#state; }
    preventDefault() { cancel(this.#state); }
    get defaultPrevented() { return this.#state.canceled; }
    get composed() { return this.#state.composed; }
    get timeStamp() { return this.#state.time; }
    initEvent(type, bubbles = false, cancelable = false) {
      const state = this.#state;
      arity(arguments.length, 1, 'Event.initEvent');
      type = str(type);
      if (state.dispatching) return;
      state.type = type;
      state.bubbles = !!bubbles;
      state.cancelable = !!cancelable;
      state.stop = state.stopNow = state.canceled = state.trusted = false;
      state.target = null;
    }
    static {
      native.brand((v) => #state in v);
      stateOf = (event) => (isObject(event) && #state in event ? event.#state : undefined);
    }
  }
  const cancel = (state) => {
    if (state.cancelable && !state.passive) state.canceled = true;
  };
  // [LegacyUnforgeable]: an own accessor of each event, with one getter for all.
  const isTrusted = Object.getOwnPropertyDescriptor({
    get isTrusted() {
      const state = stateOf(this);
      if (state === undefined) throw new TypeError('Illegal invocation');
      return state.trusted;
    },
  }, 'isTrusted');
  isTrusted.configurable = false;
  Object.setPrototypeOf(isTrusted, null);
  constants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
  define(Event);

  class CustomEvent extends Event {
    #detail = null;
    constructor(type, init = undefined) {
      arity(arguments.length, 1, 'CustomEvent');
      super(type, init);
      if (init !== undefined && init !== null && init.detail !== undefined) this.#detail = init.detail;
    }
    get detail() { return this.#detail; }
    initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      this.#detail;
      arity(arguments.length, 1, 'CustomEvent.initCustomEvent');
      if (stateOf(this).dispatching) return;
      this.initEvent(type, bubbles, cancelable);
      this.#detail = detail;
    }
  }
  define(CustomEvent);

  native.Event = Event;
  native.eventState = stateOf;
})
