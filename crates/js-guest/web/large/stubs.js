// Stubs of workers: `env.OTHER`, `ctx.exports.Name`, and what `env.LOADER` gives. Any member of a stub is a method to call.
(function (native, globalThis) {
  'use strict';
  const {
    bytesOf, callWorker, dictionary, fetchBy, fetchWorker, isObject, loadWorker, networkResponse, serviceError, str,
  } = native;
  const { defineProperty, freeze, keys } = Object;
  const Pending = Promise;
  const then = native.uncurry(Promise.prototype.then);
  const isArray = Array.isArray;
  const stringify = JSON.stringify;

  // `target` gives `[worker, entrypoint, props, limits]`, or a promise of it.
  const withTarget = (target, use, reject) => {
    const found = target();
    if (isArray(found)) use(found);
    else then(found, use, reject);
  };
  const call = (target, method, args) => new Pending((resolve, reject) => {
    const text = native.toWire(args, 'arguments');
    const arrived = (result) => {
      try {
        resolve(native.fromWire(result));
      } catch (error) {
        reject(error);
      }
    };
    withTarget(target, (parts) => {
      try {
        callWorker(parts, method, text, arrived, reject);
      } catch (error) {
        reject(error);
      }
    }, reject);
  });
  const fetcher = (target) => ({ fetch(input, init = undefined) {
    const given = arguments.length;
    const found = target();
    const by = (parts) => fetchBy((request, resolve, reject) => fetchWorker(parts, request, resolve, reject), given, input, init);
    return isArray(found) ? by(found) : then(found, by);
  } }.fetch);

  // A function without members of its own: a proxy must tell the truth of those of its target.
  const bare = (f) => {
    delete f.name;
    delete f.length;
    return freeze(f);
  };
  // No method: a stub with a `then` would be waited for as a promise.
  const isNoMethod = (key) => typeof key === 'symbol' || key === 'then';
  const proxy = (get, apply = undefined) => new Proxy(bare(() => {}), {
    __proto__: null,
    get: (_, key) => (isNoMethod(key) ? undefined : get(key)),
    apply: (_, __, args) => {
      if (apply === undefined) throw new TypeError('A stub of a worker is not a function: call one of its methods');
      return apply(args[0]);
    },
  });
  const stub = (target, apply = undefined) => {
    const fetch = fetcher(target);
    return proxy((key) => (key === 'fetch' ? fetch : (...args) => call(target, key, args)), apply);
  };
  native.workerStub = (number) => {
    const parts = [number, null, null, null];
    return stub(() => parts);
  };
  const ownStub = (name) => {
    const plain = [null, name, null, null];
    return stub(() => plain, (options) => {
      options = dictionary(options, `${name}: options`);
      const props = options === undefined ? undefined : options.props;
      const parts = [null, name, props === undefined ? null : native.toWire(props, 'props'), null];
      return stub(() => parts);
    });
  };
  // `ctx.exports`, of the names of a program's exports.
  native.makeExports = (...names) => {
    const all = { __proto__: null };
    for (let i = 0; i < names.length; i++) defineProperty(all, names[i], { __proto__: null, value: ownStub(names[i]), enumerable: true });
    return freeze(all);
  };

  const ABSENT = 'DO service not available';
  native.absentService = proxy((key) => async () => {
    if (key === 'fetch') return networkResponse(503, 'Service Unavailable', '', false, ABSENT, 'content-type', 'text/plain;charset=UTF-8');
    throw serviceError('service_unavailable', ABSENT);
  });

  // What the host takes as code: JSON all through, values of `env` as a heap writes them.
  const KINDS = ['js', 'ts', 'cjs', 'text', 'json', 'data', 'wasm'];
  const moduleOf = (name, module) => {
    if (typeof module === 'string') return module;
    if (!isObject(module)) throw new TypeError(`modules[${stringify(name)}]: must be a string or an object`);
    const out = { __proto__: null };
    for (let i = 0; i < KINDS.length; i++) {
      const value = module[KINDS[i]];
      if (value === undefined) continue;
      const bytes = bytesOf(value);
      out[KINDS[i]] = bytes !== undefined ? native.bytesBase64(bytes) : KINDS[i] === 'json' ? value : str(value);
    }
    return out;
  };
  const codeText = (code) => {
    if (!isObject(code)) throw new TypeError('The code of a worker must be an object');
    const known = { __proto__: null };
    const names = keys(code);
    for (let i = 0; i < names.length; i++) known[names[i]] = code[names[i]];
    const modules = { __proto__: null };
    const given = isObject(code.modules) ? code.modules : {};
    const files = keys(given);
    for (let i = 0; i < files.length; i++) modules[files[i]] = moduleOf(files[i], given[files[i]]);
    known.modules = modules;
    if (known.env !== undefined) {
      const env = { __proto__: null };
      if (!isObject(known.env)) throw new TypeError('env: must be an object');
      const members = keys(known.env);
      for (let i = 0; i < members.length; i++) env[members[i]] = native.toWire(known.env[members[i]], `env[${stringify(members[i])}]`);
      known.env = env;
    }
    return stringify(known);
  };
  const load = (id, code) => new Pending((resolve, reject) => loadWorker(id, code, resolve, reject));
  const worker = (number) => {
    const entrypoint = (name, options) => {
      name = name === undefined || name === null ? null : str(name);
      options = dictionary(options, 'getEntrypoint: options');
      const props = options === undefined || options.props === undefined ? null : native.toWire(options.props, 'props');
      const limits = options === undefined || options.limits === undefined ? null : stringify(options.limits);
      return stub(() => then(number(), (n) => [n, name, props, limits]));
    };
    return freeze({
      __proto__: null,
      getEntrypoint: (name = undefined, options = undefined) => entrypoint(name, options),
    });
  };
  native.loader = freeze({
    __proto__: null,
    get(id, factory) {
      id = str(id);
      if (typeof factory !== 'function') throw new TypeError('LOADER.get: the second argument must be a function');
      let loading;
      return worker(() => {
        if (loading === undefined) {
          loading = (async () => {
            const found = await load(id, null);
            if (found !== null) return found;
            return await load(id, codeText(await factory()));
          })();
          // A failed load is forgotten: the next call tries again.
          then(loading, undefined, () => {
            loading = undefined;
          });
        }
        return loading;
      });
    },
    load(code) {
      const text = codeText(code);
      let loading;
      return worker(() => (loading ??= load(null, text)));
    },
  });
})
