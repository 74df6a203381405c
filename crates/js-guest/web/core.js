// What the other scripts share: primordials, WebIDL conversions and the definition of interfaces.
(function (native, globalThis) {
  'use strict';
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply, ownKeys } = Reflect;
  const uncurry = Function.prototype.bind.bind(Function.prototype.call);
  const getter = (object, key) => uncurry(getOwnPropertyDescriptor(object, key).get);
  const DOMException = globalThis.DOMException;
  const TypedArray = getPrototypeOf(Uint8Array.prototype);
  const toWellFormed = uncurry(String.prototype.toWellFormed);
  const isView = ArrayBuffer.isView;

  // Conversions; `${v}` throws for symbols, as WebIDL wants.
  const str = (v) => (typeof v === 'string' ? v : `${v}`);
  const usv = (v) => toWellFormed(typeof v === 'string' ? v : `${v}`);
  const dictionary = (v, what) => {
    if (v === undefined || v === null) return undefined;
    if (typeof v !== 'object' && typeof v !== 'function') throw new TypeError(`${what} is not an object`);
    return v;
  };
  const choice = (v, allowed, what) => {
    v = str(v);
    for (let i = 0; i < allowed.length; i++) if (allowed[i] === v) return v;
    throw new TypeError(`${what}: '${v}' is not a valid value`);
  };
  const arity = (given, required, what) => {
    if (given < required) {
      throw new TypeError(`${what}: ${required} argument(s) required, but only ${given} present`);
    }
  };
  const isObject = (v) => (typeof v === 'object' && v !== null) || typeof v === 'function';

  // What an iterator gives, each value converted before the next is asked for. `list[list.length] = x` would
  // run setters of a changed Array.prototype, which breaks the code of whoever changed it and nothing else.
  const sequence = (v, convert, what) => {
    const iterator = isObject(v) ? v[Symbol.iterator] : undefined;
    if (typeof iterator !== 'function') throw new TypeError(`${what} is not a sequence`);
    return collect(v, iterator, convert, what);
  };
  const collect = (v, iterator, convert, what) => {
    const list = [];
    const it = apply(iterator, v, []);
    if (!isObject(it)) throw new TypeError(`${what} is not iterable`);
    const next = it.next;
    for (;;) {
      const step = apply(next, it, []);
      if (!isObject(step)) throw new TypeError(`${what}: the iterator's result is not an object`);
      if (step.done) return list;
      list[list.length] = convert(step.value);
    }
  };

  // Flat name-value list of what WebIDL calls (sequence<sequence<T>> or record<T, T>).
  const isEnumerable = uncurry(Object.prototype.propertyIsEnumerable);
  // `merge`: two keys of a record that become one name count as one, with the last value.
  const pairs = (init, toName, toValue, merge, what) => {
    const iterator = init[Symbol.iterator];
    if (iterator === undefined || iterator === null) return recordPairs(init, toName, toValue, merge);
    return sequencePairs(init, iterator, toName, toValue, what);
  };
  const sequencePairs = (init, iterator, toName, toValue, what) => {
    if (typeof iterator !== 'function') throw new TypeError(`${what}: Symbol.iterator is not a function`);
    const entries = collect(init, iterator, (entry) => sequence(entry, str, `${what}: an entry`), what);
    const list = [];
    for (let i = 0; i < entries.length; i++) {
      const pair = entries[i];
      if (pair.length !== 2) throw new TypeError(`${what}: an entry is not a pair`);
      list[2 * i] = toName(pair[0]);
      list[2 * i + 1] = toValue(pair[1]);
    }
    return list;
  };
  const recordPairs = (init, toName, toValue, merge) => {
    const list = [];
    const keys = ownKeys(init);
    for (let i = 0; i < keys.length; i++) {
      if (!isEnumerable(init, keys[i])) continue;
      const name = toName(str(keys[i]));
      const value = toValue(str(init[keys[i]]));
      let at = merge ? 0 : list.length;
      while (at < list.length && list[at] !== name) at += 2;
      list[at] = name;
      list[at + 1] = value;
    }
    return list;
  };

  // A Uint8Array over the same memory, or undefined where `v` is no BufferSource.
  const bufferOf = getter(TypedArray, 'buffer');
  const offsetOf = getter(TypedArray, 'byteOffset');
  const lengthOf = getter(TypedArray, 'byteLength');
  const dataViewBuffer = getter(DataView.prototype, 'buffer');
  const dataViewOffset = getter(DataView.prototype, 'byteOffset');
  const dataViewLength = getter(DataView.prototype, 'byteLength');
  const detached = getter(ArrayBuffer.prototype, 'detached');
  const classId = native.classId;
  const BUFFER = classId(new ArrayBuffer(0));
  const SHARED = typeof SharedArrayBuffer === 'function' ? classId(new SharedArrayBuffer(0)) : -1;
  const DATAVIEW = classId(new DataView(new ArrayBuffer(0)));
  const U8 = Uint8Array;
  const bytesOf = (v) => {
    const id = classId(v);
    if (id === BUFFER) return detached(v) ? new U8(0) : new U8(v);
    if (id === SHARED) return new U8(v);
    if (!isView(v)) return undefined;
    if (id === DATAVIEW) {
      const buffer = dataViewBuffer(v);
      return classId(buffer) === BUFFER && detached(buffer) ? new U8(0) : new U8(buffer, dataViewOffset(v), dataViewLength(v));
    }
    const buffer = bufferOf(v);
    return classId(buffer) === BUFFER && detached(buffer) ? new U8(0) : new U8(buffer, offsetOf(v), lengthOf(v));
  };
  const setBytes = uncurry(TypedArray.set);
  const copyOf = (bytes) => {
    const copy = new U8(lengthOf(bytes));
    setBytes(copy, bytes);
    return copy;
  };

  // WebIDL members are enumerable, those of a class are not.
  const expose = (target, names, except) => {
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (typeof name !== 'string' || name in except) continue;
      defineProperty(target, name, { __proto__: null, enumerable: true });
    }
  };
  const tag = (target, name) => {
    defineProperty(target, Symbol.toStringTag, { __proto__: null, value: name, configurable: true });
  };
  const ofFunctions = { __proto__: null, length: 1, name: 1, prototype: 1 };
  const ofPrototypes = { __proto__: null, constructor: 1 };
  const define = (Class) => {
    expose(Class, ownKeys(Class), ofFunctions);
    expose(Class.prototype, ownKeys(Class.prototype), ofPrototypes);
    tag(Class.prototype, Class.name);
    defineProperty(globalThis, Class.name, { __proto__: null, value: Class, writable: true, configurable: true });
  };
  const constants = (Class, values) => {
    for (const name in values) {
      const property = { __proto__: null, value: values[name], enumerable: true };
      defineProperty(Class, name, property);
      defineProperty(Class.prototype, name, property);
    }
  };
  // Operations of the global object itself.
  const defineGlobal = (name, value) => {
    defineProperty(globalThis, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  };

  // Brand checks of the objects that structuredClone has to refuse.
  const brands = [];
  const brand = (check) => {
    brands[brands.length] = check;
  };
  const isPlatformObject = (v) => {
    for (let i = 0; i < brands.length; i++) if (brands[i](v)) return true;
    return false;
  };

  // Interfaces without a constructor of their own are made with this as the first argument.
  const SECRET = { __proto__: null };
  const illegal = () => new TypeError('Illegal constructor');

  Object.assign(native, {
    uncurry, getter, DOMException, isView, str, usv, dictionary, choice, arity, isObject, sequence, pairs, bytesOf, bufferOf,
    offsetOf, lengthOf, setBytes, copyOf, expose, tag, define, constants, defineGlobal, SECRET, brand, isPlatformObject, illegal,
  });
})
