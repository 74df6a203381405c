// structuredClone: kinds of objects are told by the engine's own class numbers, not by prototypes.
(function (native, globalThis) {
  'use strict';
  const {
    DOMException, arity, blobType, bufferOf, bytesOfBlob, classId, defineGlobal, dictionary, fileModified, fileName, getter, isBlob,
    isFile, isObject, isPlatformObject, makeBlob, makeFile, offsetOf, sequence, str, uncurry,
  } = native;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys, prototype: ObjectPrototype } = Object;
  const getTime = uncurry(Date.prototype.getTime);
  const mapForEach = uncurry(Map.prototype.forEach);
  const mapSet = uncurry(Map.prototype.set);
  const setForEach = uncurry(Set.prototype.forEach);
  const setAdd = uncurry(Set.prototype.add);
  const regexpSource = getter(RegExp.prototype, 'source');
  const regexpFlags = getter(RegExp.prototype, 'flags');
  const bufferLength = getter(ArrayBuffer.prototype, 'byteLength');
  const bufferMax = getter(ArrayBuffer.prototype, 'maxByteLength');
  const resizable = getter(ArrayBuffer.prototype, 'resizable');
  const detached = getter(ArrayBuffer.prototype, 'detached');
  const resize = uncurry(ArrayBuffer.prototype.resize);
  const transferBuffer = uncurry(ArrayBuffer.prototype.transfer);
  const typedAt = uncurry(Object.getPrototypeOf(Uint8Array.prototype).at);
  const typedLength = getter(Object.getPrototypeOf(Uint8Array.prototype), 'length');
  const errorStack = getOwnPropertyDescriptor(Error.prototype, 'stack')?.get ? getter(Error.prototype, 'stack') : () => undefined;
  const exceptionName = getter(DOMException.prototype, 'name');
  const exceptionMessage = getter(DOMException.prototype, 'message');

  const PLAIN = classId({});
  const ARRAY = classId([]);
  const DATE = classId(new Date(0));
  const REGEXP = classId(/x/);
  const MAP = classId(new Map());
  const SET = classId(new Set());
  const ERROR = classId(new Error());
  const EXCEPTION = classId(new DOMException());
  const BUFFER = classId(new ArrayBuffer(0));
  const DATAVIEW = classId(new DataView(new ArrayBuffer(0)));
  const ARGUMENTS = classId((function () { return arguments; })());
  const MAPPED_ARGUMENTS = classId(Function('return arguments')());
  const BOXES = { __proto__: null };
  const valueOf = {
    __proto__: null, Boolean: Boolean.prototype.valueOf, Number: Number.prototype.valueOf, String: String.prototype.valueOf,
    BigInt: BigInt.prototype.valueOf,
  };
  for (const [box, name] of [[Object(true), 'Boolean'], [Object(1), 'Number'], [Object(''), 'String'], [Object(1n), 'BigInt']]) {
    BOXES[classId(box)] = uncurry(valueOf[name]);
  }
  const VIEWS = { __proto__: null };
  for (const name of [
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array',
    'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'DataView',
  ]) {
    const View = globalThis[name];
    if (typeof View === 'function') VIEWS[classId(new View(new ArrayBuffer(0)))] = View;
  }
  const viewBuffer = getter(DataView.prototype, 'buffer');
  const viewOffset = getter(DataView.prototype, 'byteOffset');
  const viewLength = getter(DataView.prototype, 'byteLength');
  const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const setBytes = native.setBytes;

  // A Map whose methods are its own, so that calls are direct and still the pristine ones.
  class Memory extends Map {}
  for (const name of ['get', 'set', 'has']) defineProperty(Memory.prototype, name, { __proto__: null, value: Map.prototype[name] });

  const refuse = (what) => new DOMException(`${what} could not be cloned.`, 'DataCloneError');

  const cloneBuffer = (buffer) => {
    if (detached(buffer)) throw refuse('A detached ArrayBuffer');
    const length = bufferLength(buffer);
    const copy = resizable(buffer) ? new ArrayBuffer(length, { maxByteLength: bufferMax(buffer) }) : new ArrayBuffer(length);
    setBytes(new Uint8Array(copy), new Uint8Array(buffer));
    return copy;
  };
  // Does a view grow with its buffer? Nothing says so but growing it, for a moment; the bytes that come and go are zeros.
  const tracksLength = (value, data, buffer, length) => {
    const size = bufferLength(buffer);
    if (!resizable(buffer) || size === bufferMax(buffer)) return false;
    const room = bufferMax(buffer) - size;
    resize(buffer, size + (room < 8 ? room : 8));
    const grown = (data ? viewLength(value) : typedLength(value)) > length;
    resize(buffer, size);
    return grown;
  };
  const cloneView = (value, id, seen) => {
    const View = VIEWS[id];
    const data = id === DATAVIEW;
    const buffer = data ? viewBuffer(value) : bufferOf(value);
    if (classId(buffer) !== BUFFER) throw refuse('A SharedArrayBuffer');
    if (detached(buffer)) throw refuse('A view of a detached ArrayBuffer');
    let offset;
    let length;
    try {
      // Both throw for a view that lies outside of its shrunk buffer.
      if (data) viewLength(value);
      else typedAt(value, 0);
      offset = data ? viewOffset(value) : offsetOf(value);
      length = data ? viewLength(value) : typedLength(value);
    } catch {
      throw refuse('A view outside of its buffer');
    }
    const copy = clone(buffer, seen);
    return tracksLength(value, data, buffer, length) ? new View(copy, offset) : new View(copy, offset, length);
  };
  // The stack of an error is an accessor of its prototype, that of a DOMException its own.
  const copyStack = (value, copy) => {
    const stack = getOwnPropertyDescriptor(value, 'stack')?.value ?? errorStack(value);
    if (typeof stack === 'string') defineProperty(copy, 'stack', { __proto__: null, value: stack, writable: true, configurable: true });
  };
  const cloneError = (value, seen) => {
    const name = value.name;
    const Class = ERRORS[name === undefined ? 'Error' : str(name)] ?? Error;
    const message = getOwnPropertyDescriptor(value, 'message');
    const text = message !== undefined && hasOwn(message, 'value') ? str(message.value) : undefined;
    const copy = text === undefined ? new Class() : new Class(text);
    seen.set(value, copy);
    copyStack(value, copy);
    const cause = getOwnPropertyDescriptor(value, 'cause');
    if (cause !== undefined && hasOwn(cause, 'value')) {
      defineProperty(copy, 'cause', { __proto__: null, value: clone(cause.value, seen), writable: true, configurable: true });
    }
    return copy;
  };
  // A property of the copy is defined, not set: setters of a changed Object.prototype stay out of it.
  const property = { __proto__: null, value: undefined, writable: true, enumerable: true, configurable: true };
  const put = (copy, key, value) => {
    property.value = value;
    defineProperty(copy, key, property);
    property.value = undefined;
  };
  const cloneProperties = (value, copy, seen) => {
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      // A getter may have removed it meanwhile.
      if (hasOwn(value, names[i])) put(copy, names[i], clone(value[names[i]], seen));
    }
    return copy;
  };

  const clone = (value, seen) => {
    if (!isObject(value)) {
      if (typeof value === 'symbol') throw refuse('A symbol');
      return value;
    }
    const known = seen.get(value);
    if (known !== undefined) return known;
    const copy = cloneObject(value, classId(value), seen);
    seen.set(value, copy);
    return copy;
  };
  const cloneObject = (value, id, seen) => {
    if (typeof value === 'function') throw refuse('A function');
    if (id === PLAIN) {
      const prototype = getPrototypeOf(value);
      // Most objects are plain: they are not asked for every brand.
      if (prototype !== ObjectPrototype && prototype !== null) {
        if (isBlob(value)) {
          const blob = makeBlob(bytesOfBlob(value), blobType(value));
          return isFile(value) ? makeFile(blob, fileName(value), fileModified(value)) : blob;
        }
        if (native.isCryptoKey(value)) return native.cloneKey(value);
        if (isPlatformObject(value)) throw refuse('An object of the platform');
      }
      const copy = {};
      seen.set(value, copy);
      return cloneProperties(value, copy, seen);
    }
    if (id === ARRAY) {
      const copy = [];
      copy.length = value.length;
      seen.set(value, copy);
      return cloneProperties(value, copy, seen);
    }
    if (id === DATE) return new Date(getTime(value));
    if (id === REGEXP) return new RegExp(regexpSource(value), regexpFlags(value));
    if (id === BUFFER) return cloneBuffer(value);
    if (VIEWS[id] !== undefined) return cloneView(value, id, seen);
    if (BOXES[id] !== undefined) return Object(BOXES[id](value));
    if (id === MAP) {
      const copy = new Map();
      seen.set(value, copy);
      // Taken down first: cloning may run getters that change the map.
      const entries = [];
      mapForEach(value, (v, k) => {
        entries[entries.length] = k;
        entries[entries.length] = v;
      });
      for (let i = 0; i < entries.length; i += 2) mapSet(copy, clone(entries[i], seen), clone(entries[i + 1], seen));
      return copy;
    }
    if (id === SET) {
      const copy = new Set();
      seen.set(value, copy);
      const entries = [];
      setForEach(value, (v) => {
        entries[entries.length] = v;
      });
      for (let i = 0; i < entries.length; i++) setAdd(copy, clone(entries[i], seen));
      return copy;
    }
    if (id === ERROR) return cloneError(value, seen);
    if (id === EXCEPTION) {
      const copy = new DOMException(exceptionMessage(value), exceptionName(value));
      copyStack(value, copy);
      return copy;
    }
    if (id === ARGUMENTS || id === MAPPED_ARGUMENTS) {
      const copy = {};
      seen.set(value, copy);
      return cloneProperties(value, copy, seen);
    }
    throw refuse('The object');
  };

  // How an object moves that is no buffer; undefined where it does not.
  const cloneChunk = (chunk) => clone(chunk, new Memory());
  native.cloneChunk = cloneChunk;
  const mover = (object) => {
    if (native.isMessagePort(object)) {
      if (native.isDetachedPort(object)) throw refuse('A port that was transferred');
      return { __proto__: null, move: () => native.movePort(object) };
    }
    if (native.isReadableStream(object)) {
      if (native.isLocked(object)) throw refuse('A locked stream');
      return { __proto__: null, move: () => native.moveReadable(object, cloneChunk) };
    }
    if (native.isWritableStream(object)) {
      if (native.isLockedWritable(object)) throw refuse('A locked stream');
      return { __proto__: null, move: () => native.moveWritable(object, cloneChunk) };
    }
    if (native.isTransformStream(object)) {
      const readable = native.readableOf(object);
      const writable = native.writableOf(object);
      if (native.isLocked(readable) || native.isLockedWritable(writable)) throw refuse('A locked stream');
      return {
        __proto__: null,
        move: () => native.transformOf(native.moveReadable(readable, cloneChunk), native.moveWritable(writable, cloneChunk)),
      };
    }
    return undefined;
  };

  const objectOf = (v) => {
    if (!isObject(v)) throw new TypeError('structuredClone: transfer holds a value that is no object');
    return v;
  };
  const structuredClone = (value, options) => {
    const seen = new Memory();
    options = dictionary(options, 'structuredClone: options');
    const transfer = options === undefined ? undefined : options.transfer;
    if (transfer === undefined) return clone(value, seen);
    return cloneWith(value, sequence(transfer, objectOf, 'structuredClone: transfer'), seen).value;
  };
  const cloneWith = (value, list, seen = new Memory()) => {
    // A stand-in for each buffer while values are cloned: nothing is detached if that fails.
    const known = new Memory();
    for (let i = 0; i < list.length; i++) {
      const object = list[i];
      if (classId(object) !== BUFFER && mover(object) === undefined) throw refuse('An object in transfer');
      if (known.has(object)) throw refuse('An object that is twice in transfer');
      known.set(object, true);
    }
    for (let i = 0; i < list.length; i++) {
      if (classId(list[i]) === BUFFER) seen.set(list[i], cloneBuffer(list[i]));
      else seen.set(list[i], mover(list[i]).move());
    }
    const copy = clone(value, seen);
    for (let i = 0; i < list.length; i++) {
      if (classId(list[i]) !== BUFFER) continue;
      if (detached(list[i])) throw refuse('A detached ArrayBuffer');
      transferBuffer(list[i]);
    }
    const moved = [];
    for (let i = 0; i < list.length; i++) moved[i] = seen.get(list[i]);
    return { __proto__: null, value: copy, moved };
  };
  native.cloneWith = (value, transfer) => {
    for (let i = 0; i < transfer.length; i++) objectOf(transfer[i]);
    return cloneWith(value, transfer);
  };
  defineGlobal('structuredClone', { structuredClone(value, options = undefined) {
    arity(arguments.length, 1, 'structuredClone');
    return structuredClone(value, options);
  } }.structuredClone);
})
