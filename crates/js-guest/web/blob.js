// Blob and File: bytes that never change, so slices share them.
(function (native, globalThis) {
  'use strict';
  const {
    arity, bytesOf, bufferOf, choice, copyOf, decodeUtf8, define, dictionary, encode, isObject, lengthOf, offsetOf, sequence, setBytes,
    str, usv,
  } = native;
  const Bytes = Uint8Array;
  const lower = native.uncurry(String.prototype.toLowerCase);
  const replace = native.uncurry(String.prototype.replaceAll);
  const charCode = native.uncurry(String.prototype.charCodeAt);
  const dateNow = Date.now;
  const mathFloor = Math.floor;
  const PIECE = 65536;

  // A type with a character outside of U+0020..U+007E is dropped.
  const typeOf = (type) => {
    for (let i = 0; i < type.length; i++) {
      const c = charCode(type, i);
      if (c < 0x20 || c > 0x7e) return '';
    }
    return lower(type);
  };
  const nativeEndings = (text) => replace(replace(text, '\r\n', '\n'), '\r', '\n');
  const roundToEven = (v) => {
    if (v !== v) return 0;
    const floor = mathFloor(v);
    const rest = v - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  };
  // A position from either end, kept within the blob; [Clamp] long long.
  const position = (v, size) => {
    v = roundToEven(+v);
    v = v < 0 ? size + v : v;
    return v < 0 ? 0 : v > size ? size : v;
  };

  // A buffer is read at the end, when all parts have been converted.
  const partOf = (part) => (isObject(part) && (native.isBlob(part) || bytesOf(part) !== undefined) ? part : usv(part));

  let bytesOfBlob;
  const concat = (parts, endings) => {
    const chunks = [];
    let size = 0;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      let chunk;
      if (native.isBlob(part)) chunk = bytesOfBlob(part);
      else chunk = isObject(part) ? bytesOf(part) : undefined;
      if (chunk === undefined) chunk = encode(endings === 'native' ? nativeEndings(str(part)) : str(part));
      else chunk = copyOf(chunk);
      chunks[i] = chunk;
      size += lengthOf(chunk);
    }
    if (chunks.length === 1) return chunks[0];
    const bytes = new Bytes(size);
    for (let i = 0, at = 0; i < chunks.length; at += lengthOf(chunks[i++])) setBytes(bytes, chunks[i], at);
    return bytes;
  };

  class Blob {
    #bytes;
    #type = '';
    constructor(parts = undefined, options = undefined) {
      const list = parts === undefined ? [] : sequence(parts, partOf, 'Blob: parts');
      options = dictionary(options, 'Blob: options');
      let endings = 'transparent';
      if (options !== undefined) {
        const given = options.endings;
        if (given !== undefined) endings = choice(given, ['transparent', 'native'], 'Blob: endings');
        const type = options.type;
        if (type !== undefined) this.#type = typeOf(str(type));
      }
      this.#bytes = concat(list, endings);
    }
    get size() { return lengthOf(this.#bytes); }
    get type() { return this.#type; }
    slice(start = undefined, end = undefined, type = '') {
      const size = lengthOf(this.#bytes);
      const from = start === undefined ? 0 : position(start, size);
      const to = end === undefined ? size : position(end, size);
      type = typeOf(str(type));
      return make(new Bytes(bufferOf(this.#bytes), offsetOf(this.#bytes) + from, to > from ? to - from : 0), type);
    }
    stream() {
      const bytes = this.#bytes;
      const size = lengthOf(bytes);
      let at = 0;
      return native.byteStream(() => {
        if (at >= size) return null;
        const chunk = copyOf(new Bytes(bufferOf(bytes), offsetOf(bytes) + at, size - at < PIECE ? size - at : PIECE));
        at += PIECE;
        return chunk;
      }, undefined);
    }
    async text() { return decodeUtf8(this.#bytes); }
    async arrayBuffer() { return bufferOf(copyOf(this.#bytes)); }
    async bytes() { return copyOf(this.#bytes); }
    static {
      native.isBlob = (v) => isObject(v) && #bytes in v;
      bytesOfBlob = (blob) => blob.#bytes;
      native.become = (blob, other) => {
        blob.#bytes = other.#bytes;
        blob.#type = other.#type;
      };
      native.blobType = (blob) => blob.#type;
      // `bytes` must be nobody else's to change.
      native.makeBlob = (bytes, type) => {
        const blob = new Blob();
        blob.#bytes = bytes;
        blob.#type = typeOf(type);
        return blob;
      };
    }
  }
  const make = native.makeBlob;
  native.bytesOfBlob = bytesOfBlob;
  define(Blob);

  class File extends Blob {
    #name;
    #lastModified;
    constructor(parts, name, options = undefined) {
      arity(arguments.length, 2, 'File');
      if (parts === undefined) throw new TypeError('File: the parts are not a sequence');
      super(parts, options);
      this.#name = usv(name);
      const given = options === undefined || options === null ? undefined : options.lastModified;
      this.#lastModified = given === undefined ? dateNow() : integer(+given);
    }
    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
    static {
      native.isFile = (v) => isObject(v) && #name in v;
      native.fileName = (file) => file.#name;
      native.fileModified = (file) => file.#lastModified;
      // The bytes are shared; `lastModified` is now, where it is undefined.
      native.makeFile = (blob, name, lastModified) => {
        const file = new File(NOTHING, name, { lastModified });
        native.become(file, blob);
        return file;
      };
    }
  }
  const NOTHING = [];
  const integer = (n) => (n === n && n !== Infinity && n !== -Infinity ? n - (n % 1) + 0 : 0);
  define(File);
})
