// The engine's tables of names and of shapes, as large as they are going to be: they move when they grow, and every run
// looks things up in them, so they should lie low in the heap (see `heap.rs`).
(function (native, globalThis) {
  'use strict';
  const NAMES = 2700;
  const SHAPES = 300;
  const kept = [{}];
  for (let i = 0; i < NAMES; i++) {
    const object = i < SHAPES ? {} : kept[0];
    object[`#${i}`] = undefined;
    if (i < SHAPES) kept[i] = object;
  }
  // So does the table of the global object, of which these come last.
  for (const name of [
    'ByteLengthQueuingStrategy', 'CompressionStream', 'CountQueuingStrategy', 'Crypto', 'CryptoKey', 'DecompressionStream', 'MessageChannel',
    'MessageEvent', 'MessagePort', 'QuotaExceededError', 'ReadableByteStreamController', 'ReadableStream', 'ReadableStreamBYOBReader',
    'ReadableStreamBYOBRequest', 'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'SubtleCrypto',
    'TextDecoderStream', 'TextEncoderStream', 'TransformStream', 'TransformStreamDefaultController', 'URLPattern',
    'WritableStream', 'WritableStreamDefaultController', 'WritableStreamDefaultWriter', 'crypto', 'structuredClone',
  ]) Object.defineProperty(globalThis, name, { __proto__: null, value: undefined, writable: true, configurable: true });
})
