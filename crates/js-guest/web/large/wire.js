// Values on their way from one heap to another, by the rules of structuredClone: a list of nodes, as JSON text, in which
// objects name their members by place. Who reads it believes nothing of it: it may come from any code.
(function (native, globalThis) {
  'use strict';
  const {
    DOMException, base64Bytes, bufferOf, bytesBase64, classId, getter, isObject, isPlatformObject, offsetOf, str, uncurry,
  } = native;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys, prototype: ObjectPrototype } = Object;
  const stringify = JSON.stringify;
  const parse = JSON.parse;
  const isArray = Array.isArray;
  const Bytes = Uint8Array;
  const getTime = uncurry(Date.prototype.getTime);
  const mapForEach = uncurry(Map.prototype.forEach);
  const mapSet = uncurry(Map.prototype.set);
  const setForEach = uncurry(Set.prototype.forEach);
  const setAdd = uncurry(Set.prototype.add);
  const regexpSource = getter(RegExp.prototype, 'source');
  const regexpFlags = getter(RegExp.prototype, 'flags');
  const detached = getter(ArrayBuffer.prototype, 'detached');
  const viewBuffer = getter(DataView.prototype, 'buffer');
  const viewOffset = getter(DataView.prototype, 'byteOffset');
  const viewLength = getter(DataView.prototype, 'byteLength');
  const typedLength = getter(getPrototypeOf(Bytes.prototype), 'length');
  const bigToString = uncurry(BigInt.prototype.toString);
  const errorStack = getOwnPropertyDescriptor(Error.prototype, 'stack')?.get ? getter(Error.prototype, 'stack') : () => undefined;
  const Big = BigInt;

  const PLAIN = classId({});
  const ARRAY = classId([]);
  const DATE = classId(new Date(0));
  const REGEXP = classId(/x/);
  const MAP = classId(new Map());
  const SET = classId(new Set());
  const ERROR = classId(new Error());
  const BUFFER = classId(new ArrayBuffer(0));
  const BOXES = { __proto__: null };
  for (const [box, unbox] of [
    [Object(true), Boolean.prototype.valueOf], [Object(1), Number.prototype.valueOf], [Object(''), String.prototype.valueOf],
    [Object(1n), BigInt.prototype.valueOf],
  ]) BOXES[classId(box)] = uncurry(unbox);
  const NAMES = { __proto__: null };
  const VIEWS = { __proto__: null };
  for (const name of [
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array',
    'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'DataView',
  ]) {
    const View = globalThis[name];
    if (typeof View !== 'function') continue;
    NAMES[classId(new View(new ArrayBuffer(0)))] = name;
    VIEWS[name] = View;
  }
  const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  class Memory extends Map {}
  for (const name of ['get', 'set']) defineProperty(Memory.prototype, name, { __proto__: null, value: Map.prototype[name] });

  // What is written: `nodes` holds the text of each.
  const writer = (what) => ({ __proto__: null, nodes: [], seen: new Memory(), path: [what] });
  const refuse = (out, thing) => {
    let path = out.path[0];
    for (let i = 1; i < out.path.length; i++) path += out.path[i];
    return new DOMException(`${path}: ${thing} could not be cloned.`, 'DataCloneError');
  };
  const within = (out, step, value) => {
    out.path[out.path.length] = step;
    const place = write(out, value);
    out.path.length -= 1;
    return place;
  };
  const member = (key) => `[${stringify(key)}]`;
  const scalar = (out, value) => {
    switch (typeof value) {
      case 'undefined': return '["u"]';
      case 'bigint': return `["b","${bigToString(value)}"]`;
      case 'symbol': throw refuse(out, 'a symbol');
      case 'number':
        if (value !== value || value === Infinity || value === -Infinity) return `["n","${value}"]`;
        return value === 0 && 1 / value < 0 ? '["n","-0"]' : `${value}`;
      default: return stringify(value);
    }
  };
  const write = (out, value) => {
    const { nodes } = out;
    if (!isObject(value)) {
      const place = nodes.length;
      nodes[place] = scalar(out, value);
      return place;
    }
    const known = out.seen.get(value);
    if (known !== undefined) return known;
    const place = nodes.length;
    out.seen.set(value, place);
    nodes[place] = '';
    nodes[place] = object(out, value, classId(value));
    return place;
  };
  const object = (out, value, id) => {
    if (typeof value === 'function') throw refuse(out, 'a function');
    if (id === PLAIN) {
      const prototype = getPrototypeOf(value);
      if (prototype !== ObjectPrototype && prototype !== null && isPlatformObject(value)) {
        throw refuse(out, 'an object of the platform');
      }
      return properties(out, value, '["o"');
    }
    if (id === ARRAY) return properties(out, value, `["a",${value.length}`);
    if (id === DATE) {
      const time = getTime(value);
      return time === time ? `["D",${time}]` : '["D",null]';
    }
    if (id === REGEXP) return `["R",${stringify(str(regexpSource(value)))},${stringify(str(regexpFlags(value)))}]`;
    if (id === MAP) {
      const entries = [];
      mapForEach(value, (v, k) => {
        entries[entries.length] = k;
        entries[entries.length] = v;
      });
      return list(out, entries, '["M"');
    }
    if (id === SET) {
      const entries = [];
      setForEach(value, (v) => {
        entries[entries.length] = v;
      });
      return list(out, entries, '["S"');
    }
    if (id === BUFFER) {
      if (detached(value)) throw refuse(out, 'a detached ArrayBuffer');
      return `["B","${bytesBase64(new Bytes(value))}"]`;
    }
    const view = NAMES[id];
    if (view !== undefined) {
      const data = view === 'DataView';
      const buffer = data ? viewBuffer(value) : bufferOf(value);
      if (classId(buffer) !== BUFFER) throw refuse(out, 'a SharedArrayBuffer');
      const offset = data ? viewOffset(value) : offsetOf(value);
      const length = data ? viewLength(value) : typedLength(value);
      return `["V","${view}",${within(out, '.buffer', buffer)},${offset},${length}]`;
    }
    if (BOXES[id] !== undefined) return `["P",${write(out, BOXES[id](value))}]`;
    if (id === ERROR) {
      const name = value.name;
      const message = getOwnPropertyDescriptor(value, 'message');
      const text = message !== undefined && hasOwn(message, 'value') ? stringify(str(message.value)) : 'null';
      const stack = errorStack(value);
      const cause = getOwnPropertyDescriptor(value, 'cause');
      const place = cause !== undefined && hasOwn(cause, 'value') ? within(out, '.cause', cause.value) : 'null';
      return `["E",${stringify(name === undefined ? 'Error' : str(name))},${text},${typeof stack === 'string' ? stringify(stack) : 'null'},${place}]`;
    }
    throw refuse(out, 'an object of this kind');
  };
  const properties = (out, value, text) => {
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      // A getter may have removed it meanwhile.
      if (hasOwn(value, names[i])) text += `,${stringify(names[i])},${within(out, member(names[i]), value[names[i]])}`;
    }
    return `${text}]`;
  };
  const list = (out, entries, text) => {
    for (let i = 0; i < entries.length; i++) text += `,${within(out, `<entry ${i}>`, entries[i])}`;
    return `${text}]`;
  };
  // The text of a value; `what` begins the path in an error.
  native.toWire = (value, what) => {
    const out = writer(what);
    write(out, value);
    let text = '[';
    for (let i = 0; i < out.nodes.length; i++) text += i === 0 ? out.nodes[i] : `,${out.nodes[i]}`;
    return `${text}]`;
  };

  const malformed = () => new TypeError('A value from another worker is malformed');
  const put = (target, key, value) => {
    defineProperty(target, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  };
  const scalars = { __proto__: null, NaN, Infinity, '-Infinity': -Infinity, '-0': -0 };
  const read = (nodes, made, place) => {
    if (typeof place !== 'number' || !hasOwn(nodes, place)) throw malformed();
    const node = nodes[place];
    if (!isArray(node)) return node;
    const known = made.get(place);
    return known === undefined ? revive(nodes, made, place, node) : known;
  };
  const revive = (nodes, made, place, node) => {
    const keep = (object) => {
      made.set(place, object);
      return object;
    };
    switch (node[0]) {
      case 'u': return undefined;
      case 'n': return scalars[node[1]];
      case 'b': return Big(str(node[1]));
      case 'D': return keep(new Date(node[1] === null ? NaN : node[1]));
      case 'R': return keep(new RegExp(str(node[1]), str(node[2])));
      case 'P': {
        const value = read(nodes, made, node[1]);
        if (isObject(value)) throw malformed();
        return keep(Object(value));
      }
      case 'B': return keep(bufferOf(base64Bytes(str(node[1]))));
      case 'V': {
        const View = VIEWS[node[1]];
        const buffer = read(nodes, made, node[2]);
        if (View === undefined || !isObject(buffer) || classId(buffer) !== BUFFER) throw malformed();
        return keep(new View(buffer, node[3], node[4]));
      }
      case 'E': {
        const Class = ERRORS[node[1]] ?? Error;
        const error = keep(node[2] === null ? new Class() : new Class(str(node[2])));
        const hidden = (key, value) => defineProperty(error, key, { __proto__: null, value, writable: true, configurable: true });
        if (ERRORS[node[1]] === undefined) hidden('name', str(node[1]));
        if (node[3] !== null) hidden('stack', str(node[3]));
        if (node[4] !== null) hidden('cause', read(nodes, made, node[4]));
        return error;
      }
      case 'M': {
        const map = keep(new Map());
        for (let i = 1; i + 1 < node.length; i += 2) mapSet(map, read(nodes, made, node[i]), read(nodes, made, node[i + 1]));
        return map;
      }
      case 'S': {
        const set = keep(new Set());
        for (let i = 1; i < node.length; i++) setAdd(set, read(nodes, made, node[i]));
        return set;
      }
      case 'a': {
        const array = keep([]);
        array.length = node[1];
        for (let i = 2; i + 1 < node.length; i += 2) put(array, str(node[i]), read(nodes, made, node[i + 1]));
        return array;
      }
      case 'o': {
        const object = keep({});
        for (let i = 1; i + 1 < node.length; i += 2) put(object, str(node[i]), read(nodes, made, node[i + 1]));
        return object;
      }
      default: throw malformed();
    }
  };
  native.fromWire = (text) => {
    const nodes = parse(text);
    if (!isArray(nodes)) throw malformed();
    return read(nodes, new Memory(), 0);
  };
})
