// Bodies that cross the wall of the sandbox piece by piece, each way no faster than they are read.
(function (native, globalThis) {
  'use strict';
  const { closeBody, finishBody, lengthOf, readBody, writeBody } = native;
  const Pending = Promise;
  const Bytes = Uint8Array;
  const subarray = native.uncurry(Object.getPrototypeOf(Bytes.prototype).subarray);
  const str = String;
  // So much leaves at a time: the host keeps no more than a few pieces.
  const PIECE_BYTES = 65536;

  // What comes in, as a source of a body.
  native.bodyFrom = (number) => ({
    __proto__: null,
    pull: () => new Pending((resolve, reject) => readBody(number, resolve, reject)),
    cancel: async () => closeBody(number),
  });

  const write = (piece) => new Pending((resolve, reject) => writeBody(piece, resolve, reject));
  const reasonOf = (error) => {
    try {
      return str(error);
    } catch {
      return 'the body broke off';
    }
  };
  const pump = async (body) => {
    for (;;) {
      let chunk;
      try {
        chunk = await body.read();
      } catch (error) {
        finishBody(reasonOf(error));
        throw error;
      }
      if (chunk === null) {
        finishBody(null);
        return;
      }
      for (let at = 0; at < lengthOf(chunk); at += PIECE_BYTES) {
        try {
          await write(subarray(chunk, at, at + PIECE_BYTES));
        } catch (gone) {
          // Nobody reads on: so the source is told, and what it then thinks of it is its own affair.
          try {
            await body.cancel(gone);
          } catch {
            // It has ended.
          }
          return;
        }
      }
    }
  };
  // Status, headers, and a promise that is settled when the body has gone out.
  native.sendResponse = (response) => {
    const parts = native.takeResponse(response);
    return [parts[0], parts[1], pump(parts[2])];
  };
})
