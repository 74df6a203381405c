// Bodies of Request and Response. All are buffered: a string, or bytes that nobody else can change.
(function (native, globalThis) {
  'use strict';
  const {
    blobType, bufferOf, bytesOf, bytesOfBlob, copyOf, decodeUtf8, encode, encodeForm, formOfPairs, formOfParts, formParse, formType,
    headerLookup, isBlob, isFormData, isObject, isURLSearchParams, makeBlob, multipartParse, paramsToString, usv,
  } = native;
  const { defineProperty, getOwnPropertyDescriptors } = Object;
  const { ownKeys } = Reflect;
  const parseJson = JSON.parse;
  const charCode = native.uncurry(String.prototype.charCodeAt);
  const slice = native.uncurry(String.prototype.slice);

  // What `body` answers until there are streams: it can be handed to another Request or Response.
  let contentOf;
  class Handle {
    #content;
    constructor(content) { this.#content = content; }
    get locked() { return this.#content.used; }
    static {
      native.brand((v) => #content in v);
      contentOf = (v) => (isObject(v) && #content in v ? v.#content : undefined);
    }
  }

  // A content is shared by a Request, its `body` and whatever took it over; `type` is the content-type that it
  // brings along, or null.
  const content = (source, type) => ({ source, type, used: false, handle: undefined });
  const used = () => new TypeError('Body has already been used');

  native.bodyContent = content;
  native.bodyUsed = used;
  // The content of a BodyInit.
  native.extractBody = (init) => {
    if (typeof init === 'string') return content(init, 'text/plain;charset=UTF-8');
    if (isObject(init)) {
      const taken = contentOf(init);
      if (taken !== undefined) {
        if (taken.used) throw used();
        taken.used = true;
        return content(taken.source, null);
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
    if (c.used) throw used();
    return content(c.source, null);
  };
  const take = (c) => {
    if (c === null) return '';
    if (c.used) throw used();
    c.used = true;
    return c.source;
  };
  native.takeContent = take;

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
        return c === null ? null : (c.handle ??= new Handle(c));
      },
      get bodyUsed() {
        const c = contentIn(this);
        return c !== null && c.used;
      },
      async arrayBuffer() { return bufferOf(bytes(take(contentIn(this)))); },
      async blob() {
        const c = contentIn(this);
        return makeBlob(bytes(take(c)), headerLookup(listIn(this), 'content-type') ?? '');
      },
      async bytes() { return bytes(take(contentIn(this))); },
      async formData() {
        const source = take(contentIn(this));
        const type = formType(headerLookup(listIn(this), 'content-type') ?? '');
        if (type === undefined) throw new TypeError('The content-type is not that of a form');
        if (type === '') return formOfPairs(formParse(text(source)));
        const parts = multipartParse(bytes(source), type);
        if (parts === undefined) throw new TypeError('The body is not valid multipart/form-data');
        return formOfParts(parts);
      },
      async json() { return parseJson(text(take(contentIn(this)))); },
      async text() { return text(take(contentIn(this))); },
    };
    const descriptors = getOwnPropertyDescriptors(mixin);
    const keys = ownKeys(descriptors);
    for (let i = 0; i < keys.length; i++) defineProperty(prototype, keys[i], descriptors[keys[i]]);
  };
})
