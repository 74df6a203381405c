// TextEncoderStream and TextDecoderStream.
(function (native, globalThis) {
  'use strict';
  const { bytesOf, decode, define, dictionary, encode, encodingName, newDecoder, str, transformPair, uncurry } = native;
  const charCode = uncurry(String.prototype.charCodeAt);
  const slice = uncurry(String.prototype.slice);
  const NOTHING = new Uint8Array(0);

  class TextEncoderStream {
    #pair;
    static { native.brand((v) => #pair in v); }
    constructor() {
      // Half of a surrogate pair waits for the other half, which may come with the next chunk.
      let high = '';
      this.#pair = transformPair(
        (chunk, enqueue) => {
          let text = high + str(chunk);
          high = '';
          if (text === '') return;
          const last = charCode(text, text.length - 1);
          if (last >= 0xd800 && last <= 0xdbff) {
            high = slice(text, -1);
            text = slice(text, 0, -1);
          }
          if (text !== '') enqueue(encode(text));
        },
        (enqueue) => {
          if (high !== '') enqueue(encode(high));
        },
      );
    }
    get encoding() {
      this.#pair;
      return 'utf-8';
    }
    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
  }
  define(TextEncoderStream);

  class TextDecoderStream {
    #encoding;
    #fatal = false;
    #ignoreBOM = false;
    #pair;
    static { native.brand((v) => #pair in v); }
    constructor(label = 'utf-8', options = undefined) {
      label = str(label);
      options = dictionary(options, 'TextDecoderStream: options');
      if (options !== undefined) {
        this.#fatal = !!options.fatal;
        this.#ignoreBOM = !!options.ignoreBOM;
      }
      this.#encoding = encodingName(label);
      if (this.#encoding === undefined) throw new RangeError(`TextDecoderStream: '${label}' is not a known encoding`);
      const decoder = newDecoder(this.#encoding, this.#ignoreBOM);
      const fatal = this.#fatal;
      this.#pair = transformPair(
        (chunk, enqueue) => {
          const bytes = bytesOf(chunk);
          if (bytes === undefined) throw new TypeError('TextDecoderStream: a chunk is not a buffer');
          const text = decode(decoder, bytes, fatal, true);
          if (text !== '') enqueue(text);
        },
        (enqueue) => {
          const text = decode(decoder, NOTHING, fatal, false);
          if (text !== '') enqueue(text);
        },
      );
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
  }
  define(TextDecoderStream);
})
