// AbortController and AbortSignal.
(function (native, globalThis) {
  'use strict';
  const { DOMException, EventTarget, SECRET, arity, define, fire, illegal, isObject, sequence } = native;
  const { apply } = Reflect;

  let abort;
  let make;
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #algorithms = [];
    // The signals that an `any` signal follows; undefined for the others.
    #sources = undefined;
    #followers = undefined;
    #onabort = null;
    #handler = undefined;
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
      super();
    }
    static abort(reason = undefined) {
      const signal = make();
      signal.#aborted = true;
      signal.#reason = reason === undefined ? abortError() : reason;
      return signal;
    }
    static any(signals) {
      arity(arguments.length, 1, 'AbortSignal.any');
      return any(sequence(signals, signalOf, 'AbortSignal.any: the argument'));
    }
    static timeout(milliseconds) {
      arity(arguments.length, 1, 'AbortSignal.timeout');
      const ms = +milliseconds;
      // [EnforceRange] unsigned long long
      if (!(ms > -1 && ms <= 9007199254740991)) throw new TypeError('AbortSignal.timeout: the time is out of range');
      const signal = make();
      globalThis.setTimeout(() => abort(signal, new DOMException('The operation timed out.', 'TimeoutError')), ms);
      return signal;
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    get onabort() { return this.#onabort; }
    set onabort(value) {
      value = isObject(value) ? value : null;
      if (value === null) {
        if (this.#handler !== undefined) this.removeEventListener('abort', this.#handler);
        this.#handler = undefined;
      } else if (this.#handler === undefined) {
        this.#handler = (event) => {
          if (typeof this.#onabort === 'function') apply(this.#onabort, this, [event]);
        };
        this.addEventListener('abort', this.#handler);
      }
      this.#onabort = value;
    }
    static {
      make = () => new AbortSignal(SECRET);
      const mark = (signal, reason, list) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason;
        list[list.length] = signal;
        const followers = signal.#followers;
        if (followers !== undefined) for (let i = 0; i < followers.length; i++) mark(followers[i], reason, list);
      };
      abort = (signal, reason) => {
        // All are marked before any code runs, so that each sees all of them aborted.
        const list = [];
        mark(signal, reason === undefined ? abortError() : reason, list);
        for (let i = 0; i < list.length; i++) {
          const algorithms = list[i].#algorithms;
          list[i].#algorithms = [];
          for (let j = 0; j < algorithms.length; j++) algorithms[j](list[i].#reason);
          fire(list[i], 'abort');
        }
      };
      const follow = (signal, source) => {
        for (let i = 0; i < signal.#sources.length; i++) if (signal.#sources[i] === source) return;
        signal.#sources[signal.#sources.length] = source;
        source.#followers ??= [];
        source.#followers[source.#followers.length] = signal;
      };
      const any = (list) => {
        const signal = make();
        for (let i = 0; i < list.length; i++) {
          if (list[i].#aborted) {
            signal.#aborted = true;
            signal.#reason = list[i].#reason;
            return signal;
          }
        }
        signal.#sources = [];
        for (let i = 0; i < list.length; i++) {
          const sources = list[i].#sources;
          if (sources === undefined) follow(signal, list[i]);
          else for (let j = 0; j < sources.length; j++) follow(signal, sources[j]);
        }
        return signal;
      };
      native.anySignal = any;
      native.isAbortSignal = (v) => isObject(v) && #aborted in v;
      native.isAborted = (signal) => signal.#aborted;
      native.abortReason = (signal) => signal.#reason;
      native.whenAborted = (signal, algorithm) => {
        signal.#algorithms[signal.#algorithms.length] = algorithm;
      };
    }
  }
  const { anySignal: any, isAbortSignal } = native;
  const signalOf = (v) => {
    if (!isAbortSignal(v)) throw new TypeError('AbortSignal.any: not an AbortSignal');
    return v;
  };
  const abortError = () => new DOMException('This operation was aborted', 'AbortError');
  define(AbortSignal);

  class AbortController {
    #signal = make();
    static { native.brand((v) => #signal in v); }
    get signal() { return this.#signal; }
    abort(reason = undefined) { abort(this.#signal, reason); }
  }
  define(AbortController);
})
