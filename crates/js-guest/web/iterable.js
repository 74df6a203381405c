// Pair iterators, as WebIDL's `iterable<name, value>` gives them to URLSearchParams and Headers.
(function (native, globalThis) {
  'use strict';
  const { defineProperty } = Object;
  const { apply } = Reflect;
  const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

  // `listOf(object)` gives the current flat list and throws for a wrong `this`.
  native.defineIterable = (Class, listOf) => {
    const name = Class.name;
    class Iterator {
      #target;
      #kind;
      #at = 0;
    static { native.brand((v) => #at in v); }
      constructor(target, kind) {
        this.#target = target;
        this.#kind = kind;
      }
      next() {
        const list = listOf(this.#target);
        const at = this.#at;
        if (at >= list.length) return { value: undefined, done: true };
        this.#at = at + 2;
        const kind = this.#kind;
        const value = kind === 'keys' ? list[at] : kind === 'values' ? list[at + 1] : [list[at], list[at + 1]];
        return { value, done: false };
      }
    }
    const prototype = Iterator.prototype;
    Object.setPrototypeOf(prototype, IteratorPrototype);
    delete prototype.constructor;
    native.expose(prototype, ['next'], {});
    native.tag(prototype, `${name} Iterator`);

    const methods = {
      entries() {
        listOf(this);
        return new Iterator(this, 'entries');
      },
      forEach(callback, thisArg = undefined) {
        listOf(this);
        native.arity(arguments.length, 1, `${name}.forEach`);
        if (typeof callback !== 'function') throw new TypeError(`${name}.forEach: the callback is not a function`);
        for (let at = 0, list; (list = listOf(this)), at < list.length; at += 2) {
          apply(callback, thisArg, [list[at + 1], list[at], this]);
        }
      },
      keys() {
        listOf(this);
        return new Iterator(this, 'keys');
      },
      values() {
        listOf(this);
        return new Iterator(this, 'values');
      },
    };
    for (const key in methods) {
      defineProperty(Class.prototype, key, { __proto__: null, value: methods[key], writable: true, enumerable: true, configurable: true });
    }
    defineProperty(Class.prototype, Symbol.iterator, { __proto__: null, value: methods.entries, writable: true, configurable: true });
  };
})
