// Streams: the classes of the vendored implementation, and what the platform itself does with streams.
(function (native, globalThis) {
  'use strict';
  const { classId, getter, isObject, lengthOf, setBytes, uncurry } = native;
  const { defineProperty, getPrototypeOf, hasOwn } = Object;
  const Bytes = Uint8Array;
  const UINT8 = classId(new Bytes(0));

  const classes = native.vendoredStreams;
  for (const name of [
    'ByteLengthQueuingStrategy', 'CountQueuingStrategy', 'ReadableByteStreamController', 'ReadableStream', 'ReadableStreamBYOBReader',
    'ReadableStreamBYOBRequest', 'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'TransformStream',
    'TransformStreamDefaultController', 'WritableStream', 'WritableStreamDefaultController', 'WritableStreamDefaultWriter',
  ]) {
    defineProperty(globalThis, name, { __proto__: null, value: classes[name], writable: true, configurable: true });
  }
  const { ReadableStream, ReadableStreamDefaultReader, TransformStream, WritableStream } = classes;
  const byteController = classes.ReadableByteStreamController.prototype;
  const getReader = uncurry(ReadableStream.prototype.getReader);
  const pipeTo = uncurry(ReadableStream.prototype.pipeTo);
  const read = uncurry(ReadableStreamDefaultReader.prototype.read);
  const cancelReader = uncurry(ReadableStreamDefaultReader.prototype.cancel);
  const isLocked = getter(ReadableStream.prototype, 'locked');
  const then = uncurry(Promise.prototype.then);

  native.isReadableStream = (v) => isObject(v) && hasOwn(v, '_readableStreamController');
  native.isWritableStream = (v) => isObject(v) && hasOwn(v, '_writableStreamController');
  native.isTransformStream = (v) => isObject(v) && hasOwn(v, '_transformStreamController');
  native.brand(native.isReadableStream);
  native.brand(native.isWritableStream);
  native.brand(native.isTransformStream);
  native.isLocked = isLocked;
  native.isByteStream = (stream) => getPrototypeOf(stream._readableStreamController) === byteController;
  native.isDisturbed = (stream) => stream._disturbed;
  native.teeStream = uncurry(ReadableStream.prototype.tee);
  native.readableOf = getter(TransformStream.prototype, 'readable');
  native.writableOf = getter(TransformStream.prototype, 'writable');

  // A stream of bytes that `pull` gives one by one, null at the end; `failed` is asked for a function that breaks it off.
  native.byteStream = (pull, cancel, failed = undefined) => new ReadableStream({
    __proto__: null,
    type: 'bytes',
    start(controller) {
      if (failed !== undefined) failed((reason) => controller.error(reason));
    },
    async pull(controller) {
      for (;;) {
        const chunk = await pull();
        // A view without bytes can't be enqueued, and says nothing.
        if (chunk !== null && lengthOf(chunk) === 0) continue;
        if (chunk !== null) {
          controller.enqueue(chunk);
        } else {
          controller.close();
          const request = controller.byobRequest;
          if (request !== null) request.respond(0);
        }
        return;
      }
    },
    cancel,
  }, { __proto__: null, highWaterMark: 0 });
  // One that has been read.
  native.emptyStream = () => new ReadableStream({ __proto__: null, type: 'bytes', start(controller) { controller.close(); } });
  native.spentStream = () => {
    const stream = native.emptyStream();
    cancelReader(getReader(stream));
    return stream;
  };
  // The same bytes again, where `stream` itself is now locked and counts as used.
  native.proxyStream = (stream) => {
    const through = new TransformStream();
    const piped = pipeTo(stream, native.writableOf(through));
    then(piped, undefined, () => {});
    return native.readableOf(through);
  };

  const join = (chunks, size) => {
    if (chunks.length === 1) return chunks[0];
    const bytes = new Bytes(size);
    for (let i = 0, at = 0; i < chunks.length; at += lengthOf(chunks[i++])) setBytes(bytes, chunks[i], at);
    return bytes;
  };
  // All that `next` gives until it gives null.
  native.gather = async (next) => {
    const chunks = [];
    let size = 0;
    for (;;) {
      const chunk = await next();
      if (chunk === null) return join(chunks, size);
      chunks[chunks.length] = chunk;
      size += lengthOf(chunk);
    }
  };
  // What reads a stream to its end: `read` gives the next bytes, null at the end.
  native.byteReader = (stream) => {
    const reader = getReader(stream);
    return {
      __proto__: null,
      async read() {
        const step = await read(reader);
        if (step.done) return null;
        if (classId(step.value) !== UINT8) {
          const reason = new TypeError('A stream of bytes gave something else than a Uint8Array');
          await cancelReader(reader, reason);
          throw reason;
        }
        return step.value;
      },
      cancel: (reason) => cancelReader(reader, reason),
    };
  };

  // `readable` and `writable` of a class that is a transform of chunks; `start`, `each` and `end` get what `enqueue` takes.
  native.transformPair = (each, end) => {
    const through = new TransformStream({
      __proto__: null,
      transform: (chunk, controller) => each(chunk, (v) => controller.enqueue(v)),
      flush: (controller) => end((v) => controller.enqueue(v)),
    });
    return { __proto__: null, readable: native.readableOf(through), writable: native.writableOf(through) };
  };

  // Structured cloning moves a stream: what is read from the copy is a clone of what the original gives.
  const crossing = (clone) => new TransformStream({
    __proto__: null,
    transform(chunk, controller) { controller.enqueue(clone(chunk)); },
  });
  native.moveReadable = (stream, clone) => {
    const through = crossing(clone);
    then(pipeTo(stream, native.writableOf(through)), undefined, () => {});
    return native.readableOf(through);
  };
  native.moveWritable = (stream, clone) => {
    const through = crossing(clone);
    then(pipeTo(native.readableOf(through), stream), undefined, () => {});
    return native.writableOf(through);
  };
  // A TransformStream of two ends that exist.
  native.transformOf = (readable, writable) => {
    const stream = new TransformStream();
    stream._readable = readable;
    stream._writable = writable;
    return stream;
  };
  native.isLockedWritable = getter(WritableStream.prototype, 'locked');
})
