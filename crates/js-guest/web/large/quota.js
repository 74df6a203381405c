// QuotaExceededError, which the WebIDL standard has made a class of its own.
(function (native, globalThis) {
  'use strict';
  const { DOMException, define, dictionary, str } = native;

  const double = (v, what) => {
    v = +v;
    if (v - v !== 0) throw new TypeError(`QuotaExceededError: ${what} is not a finite number`);
    if (v < 0) throw new RangeError(`QuotaExceededError: ${what} is negative`);
    return v;
  };

  class QuotaExceededError extends DOMException {
    #quota = null;
    #requested = null;
    constructor(message = '', options = undefined) {
      super(str(message), 'QuotaExceededError');
      options = dictionary(options, 'QuotaExceededError: options');
      if (options === undefined) return;
      const { quota, requested } = options;
      if (quota !== undefined) this.#quota = double(quota, 'quota');
      if (requested !== undefined) this.#requested = double(requested, 'requested');
      if (this.#quota !== null && this.#requested !== null && this.#requested < this.#quota) {
        throw new RangeError('QuotaExceededError: requested is less than quota');
      }
    }
    get quota() { return this.#quota; }
    get requested() { return this.#requested; }
  }
  define(QuotaExceededError);
  native.QuotaExceededError = QuotaExceededError;
})
