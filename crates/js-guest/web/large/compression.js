// CompressionStream and DecompressionStream.
(function (native, globalThis) {
  'use strict';
  const { arity, bytesOf, choice, classId, compress, define, lengthOf, newCompressor, newDecompressor, transformPair } = native;
  const FORMATS = ['deflate', 'deflate-raw', 'gzip'];
  const SHARED = typeof SharedArrayBuffer === 'function' ? classId(new SharedArrayBuffer(0)) : -1;
  const NOTHING = new Uint8Array(0);

  const pairOf = (state, what) => {
    const step = (bytes, last, enqueue) => {
      const out = compress(state, bytes, last);
      if (lengthOf(out) > 0) enqueue(out);
    };
    return transformPair(
      (chunk, enqueue) => {
        const bytes = bytesOf(chunk);
        if (bytes === undefined || classId(bytes.buffer) === SHARED) throw new TypeError(`${what}: a chunk is not a buffer`);
        step(bytes, false, enqueue);
      },
      (enqueue) => step(NOTHING, true, enqueue),
    );
  };

  class CompressionStream {
    #pair;
    static { native.brand((v) => #pair in v); }
    constructor(format) {
      arity(arguments.length, 1, 'CompressionStream');
      format = choice(format, FORMATS, 'CompressionStream: format');
      this.#pair = pairOf(newCompressor(format), 'CompressionStream');
    }
    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
  }
  define(CompressionStream);

  class DecompressionStream {
    #pair;
    static { native.brand((v) => #pair in v); }
    constructor(format) {
      arity(arguments.length, 1, 'DecompressionStream');
      format = choice(format, FORMATS, 'DecompressionStream: format');
      this.#pair = pairOf(newDecompressor(format), 'DecompressionStream');
    }
    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
  }
  define(DecompressionStream);
})
