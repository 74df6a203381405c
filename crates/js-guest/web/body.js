// Bodies of Request and Response: a string, or bytes that nobody else can change, as long as nobody asks for a stream.
(function (native, globalThis) {
  'use strict';
  const {
    blobType, bufferOf, bytesOf, bytesOfBlob, copyOf, decodeForm, decodeUtf8, encode, encodeForm, formOfPairs, formOfParts,
    formParse, formType, headerLookup, isBlob, isFormData, isObject, isURLSearchParams,
    isView, lengthOf, makeBlob, mimeType, multipartParse, paramsToString, usv,
  } = native;
  const { defineProperty, getOwnPropertyDescriptors } = Object;
  const { ownKeys } = Reflect;
  const parseJson = JSON.parse;
  const charCode = native.uncurry(String.prototype.charCodeAt);
  const slice = native.uncurry(String.prototype.slice);

  // What works on streams is asked of `native` when it is needed: those scripts come later, for they are large.
  // `source` is a string, bytes, or what gives bytes piece by piece: `{ pull(): Promise<Uint8Array | null>, cancel(reason) }`.
  // A stream is made of it when somebody asks for one; a body that came as a stream has no source. `type` is the
  // content-type that a body brings along, or null.
  const content = (source, type) => ({
    __proto__: null, source, type, used: false, stream: undefined, error: undefined, breakOff: undefined,
  });
  const used = () => new TypeError('Body has already been used');
  const isUsed = (c) => (c.stream === undefined ? c.used : native.isDisturbed(c.stream));
  const isUnusable = (c) => (c.stream === undefined ? c.used : native.isDisturbed(c.stream) || native.isLocked(c.stream));
  const isBuffered = (source) => typeof source === 'string' || isView(source);

  const isEmpty = (source) => (typeof source === 'string' ? source === '' : isView(source) && lengthOf(source) === 0);

  const streamOf = (c) => {
    if (c.stream === undefined) {
      const { source } = c;
      const failed = (breakOff) => {
        if (c.error !== undefined) breakOff(c.error.reason);
        else c.breakOff = breakOff;
      };
      if (c.used) {
        c.stream = native.spentStream();
      } else if (isEmpty(source)) {
        c.stream = native.emptyStream();
      } else if (isBuffered(source)) {
        // A copy, because a clone has the same source.
        let rest = typeof source === 'string' ? encode(source) : copyOf(source);
        c.stream = native.byteStream(() => {
          const chunk = rest;
          rest = null;
          return chunk;
        }, undefined, failed);
      } else {
        c.stream = native.byteStream(() => source.pull(), (reason) => source.cancel(reason), failed);
      }
    }
    return c.stream;
  };
  const contentOfStream = (stream) => {
    const c = content(undefined, null);
    c.stream = stream;
    return c;
  };

  native.bodyContent = content;
  native.bodyUsed = used;
  native.isUnusable = isUnusable;
  native.isStreaming = (c) => c.stream !== undefined || !isBuffered(c.source);
  // The content of a BodyInit.
  native.extractBody = (init) => {
    if (typeof init === 'string') return content(init, 'text/plain;charset=UTF-8');
    if (isObject(init)) {
      if (native.isReadableStream(init)) {
        if (native.isDisturbed(init)) throw used();
        if (native.isLocked(init)) throw new TypeError('The stream is locked');
        return contentOfStream(init);
      }
      if (isBlob(init)) {
        const type = blobType(init);
        return content(bytesOfBlob(init), type === '' ? null : type);
      }
      if (isURLSearchParams(init)) {
        return content(paramsToString(init), 'application/x-www-form-urlencoded;charset=UTF-8');
      }
      if (isFormData(init)) {
        const encoded = encodeForm(init);
        return content(encoded[0], `multipart/form-data; boundary=${encoded[1]}`);
      }
      const bytes = bytesOf(init);
      if (bytes !== undefined) return content(copyOf(bytes), null);
    }
    return content(usv(init), 'text/plain;charset=UTF-8');
  };
  // A second content with the same bytes.
  native.cloneContent = (c) => {
    if (c === null) return null;
    if (isUnusable(c)) throw used();
    if (c.stream === undefined && isBuffered(c.source)) {
      const copy = content(c.source, null);
      copy.error = c.error;
      return copy;
    }
    const stream = streamOf(c);
    const branches = native.teeStream(stream);
    c.stream = branches[0];
    // What both branches of a stream that is not one of bytes give would be the same objects.
    return contentOfStream(native.isByteStream(stream) ? branches[1] : native.moveReadable(branches[1], (chunk) => native.cloneChunk(chunk)));
  };
  // A body that is not taken over after all counts as used all the same.
  native.spendContent = (c) => {
    if (c.stream === undefined) c.used = true;
    else native.proxyStream(c.stream);
  };
  // A new content takes over what is in another, which then counts as used.
  native.moveContent = (c) => {
    if (isUnusable(c)) throw used();
    if (c.stream !== undefined) return contentOfStream(native.proxyStream(c.stream));
    c.used = true;
    return content(c.source, null);
  };
  // Whatever has not been read of a body cannot be any more.
  native.breakOffContent = (c, reason) => {
    if (c.stream === undefined) {
      // One without anything in it has ended before.
      if (!c.used && !isEmpty(c.source)) c.error = { __proto__: null, reason };
    } else if (c.breakOff !== undefined) {
      try {
        c.breakOff(reason);
      } catch {
        // It has ended.
      }
    }
  };

  // What is in a body, or a promise of it where it has to be read. The content counts as used from then on.
  const take = (c) => {
    if (c === null) return '';
    if (c.error !== undefined && c.stream === undefined) {
      c.used = true;
      throw c.error.reason;
    }
    if (isUnusable(c)) throw used();
    if (c.stream !== undefined) return native.gather(native.byteReader(c.stream).read);
    c.used = true;
    const { source } = c;
    return isBuffered(source) ? source : native.gather(() => source.pull());
  };
  // For the host: null, a string or bytes; else `{ read(): Promise<Uint8Array | null>, cancel(reason) }`.
  native.takeContent = (c) => {
    if (c === null) return null;
    if (isUnusable(c)) throw used();
    if (c.stream !== undefined) return native.byteReader(c.stream);
    c.used = true;
    const { source } = c;
    return isBuffered(source) ? source : { __proto__: null, read: () => source.pull(), cancel: (reason) => source.cancel(reason) };
  };
  // Reads a body that is a stream, so that it is bytes from then on.
  native.bufferContent = async (c) => {
    if (isUnusable(c)) throw used();
    const bytes = await native.gather(native.byteReader(streamOf(c)).read);
    c.source = bytes;
    c.stream = undefined;
    c.used = false;
  };

  const text = (source) => {
    if (typeof source !== 'string') return decodeUtf8(source);
    source = usv(source);
    return charCode(source, 0) === 0xfeff ? slice(source, 1) : source;
  };
  const bytes = (source) => (typeof source === 'string' ? encode(source) : copyOf(source));

  // Adds the members of the standard's Body mixin; `contentIn` and `listIn` throw for a wrong `this`.
  native.mixBody = (prototype, contentIn, listIn) => {
    const mixin = {
      get body() {
        const c = contentIn(this);
        return c === null ? null : streamOf(c);
      },
      get bodyUsed() {
        const c = contentIn(this);
        return c !== null && isUsed(c);
      },
      async arrayBuffer() {
        const source = take(contentIn(this));
        return bufferOf(bytes(isBuffered(source) ? source : await source));
      },
      async blob() {
        const source = take(contentIn(this));
        const type = headerLookup(listIn(this), 'content-type') ?? '';
        return makeBlob(bytes(isBuffered(source) ? source : await source), mimeType(type));
      },
      async bytes() {
        const source = take(contentIn(this));
        return bytes(isBuffered(source) ? source : await source);
      },
      async formData() {
        const taken = take(contentIn(this));
        const type = formType(headerLookup(listIn(this), 'content-type') ?? '');
        const source = isBuffered(taken) ? taken : await taken;
        if (type === undefined) throw new TypeError('The content-type is not that of a form');
        if (type === '') return formOfPairs(formParse(typeof source === 'string' ? usv(source) : decodeForm(source)));
        const parts = multipartParse(bytes(source), type);
        if (parts === undefined) throw new TypeError('The body is not valid multipart/form-data');
        return formOfParts(parts);
      },
      async json() {
        const source = take(contentIn(this));
        return parseJson(text(isBuffered(source) ? source : await source));
      },
      async text() {
        const source = take(contentIn(this));
        return text(isBuffered(source) ? source : await source);
      },
    };
    const descriptors = getOwnPropertyDescriptors(mixin);
    const keys = ownKeys(descriptors);
    for (let i = 0; i < keys.length; i++) defineProperty(prototype, keys[i], descriptors[keys[i]]);
  };
})
