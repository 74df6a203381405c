// TextEncoder and TextDecoder.
(function (native, globalThis) {
  'use strict';
  const { arity, bytesOf, classId, decode, define, dictionary, encode, encodeInto, encodingName, newDecoder, str } = native;
  const UINT8 = classId(new Uint8Array(0));

  class TextEncoder {
    // Only there so that a wrong `this` is told.
    #brand = undefined;
    static { native.brand((v) => #brand in v); }
    get encoding() {
      this.#brand;
      return 'utf-8';
    }
    encode(input = '') {
      this.#brand;
      return encode(str(input));
    }
    encodeInto(source, destination) {
      this.#brand;
      arity(arguments.length, 2, 'TextEncoder.encodeInto');
      source = str(source);
      if (classId(destination) !== UINT8) throw new TypeError('TextEncoder.encodeInto: the destination is not a Uint8Array');
      const pair = encodeInto(source, bytesOf(destination));
      return { read: pair[0], written: pair[1] };
    }
  }
  define(TextEncoder);

  class TextDecoder {
    #encoding;
    #fatal = false;
    #ignoreBOM = false;
    #decoder;
    static { native.brand((v) => #decoder in v); }
    constructor(label = 'utf-8', options = undefined) {
      label = str(label);
      options = dictionary(options, 'TextDecoder: options');
      if (options !== undefined) {
        this.#fatal = !!options.fatal;
        this.#ignoreBOM = !!options.ignoreBOM;
      }
      this.#encoding = encodingName(label);
      if (this.#encoding === undefined) throw new RangeError(`TextDecoder: '${label}' is not a known encoding`);
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input = undefined, options = undefined) {
      const decoder = (this.#decoder ??= newDecoder(this.#encoding, this.#ignoreBOM));
      const bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
      if (bytes === undefined) throw new TypeError('TextDecoder.decode: the input is not a buffer');
      options = dictionary(options, 'TextDecoder.decode: options');
      return decode(decoder, bytes, this.#fatal, options !== undefined && !!options.stream);
    }
  }
  define(TextDecoder);
})
