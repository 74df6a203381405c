// Stubs of workers: `env.OTHER`, `ctx.exports.Name`, and what `env.LOADER` gives. Any member of a stub is a method to call.
(function (native, globalThis) {
  'use strict';
  const {
    bytesOf, callWorker, dictionary, fetchBy, fetchWorker, isObject, loadWorker, networkResponse, serviceBit, serviceError, settleEnded,
    str,
  } = native;
  const { defineProperty, freeze, keys } = Object;
  // What stubs stand for, for those that are passed on.
  class Targets extends WeakMap {}
  for (const name of ['get', 'set']) defineProperty(Targets.prototype, name, { __proto__: null, value: WeakMap.prototype[name] });
  const targets = new Targets();
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
    const made = proxy((key) => (key === 'fetch' ? fetch : (...args) => call(target, key, args)), apply);
    targets.set(made, target);
    return made;
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
      out[KINDS[i]] = bytes === undefined ? value : native.bytesBase64(bytes);
    }
    return out;
  };
  // Takes stubs out of code, by number: some of them may wait for their own worker to be loaded.
  const passing = () => {
    const stubs = [];
    let waiting;
    return {
      __proto__: null,
      stub(value) {
        const target = isObject(value) ? targets.get(value) : undefined;
        if (target === undefined) return undefined;
        const number = stubs.length;
        const found = target();
        stubs[number] = found;
        if (!isArray(found)) {
          const known = then(found, (parts) => {
            stubs[number] = parts;
          });
          waiting = waiting === undefined ? known : then(waiting, () => known);
        }
        return { __proto__: null, stub: number };
      },
      text(code) {
        const whole = () => `{"code":${code},"stubs":${stringify(stubs)}}`;
        return waiting === undefined ? whole() : then(waiting, whole);
      },
    };
  };
  // The text, or a promise of it. Whatever becomes of `code` later, the text is what it was when it was given.
  const codeText = (code) => {
    const pass = passing();
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
      for (let i = 0; i < members.length; i++) {
        const value = known.env[members[i]];
        const bit = serviceBit(value);
        env[members[i]] = pass.stub(value)
          ?? (bit === undefined ? native.toWire(value, `env[${stringify(members[i])}]`) : { __proto__: null, service: bit });
      }
      known.env = env;
    }
    const outbound = known.globalOutbound;
    if (outbound !== undefined && outbound !== null) {
      known.globalOutbound = pass.stub(outbound);
      if (known.globalOutbound === undefined) throw new TypeError('globalOutbound: must be a stub of a worker, or null');
    }
    if (known.tails !== undefined && known.tails !== null) {
      if (!isArray(known.tails)) throw new TypeError('tails: must be an array of stubs of workers');
      const tails = [];
      for (let i = 0; i < known.tails.length; i++) {
        tails[i] = pass.stub(known.tails[i]);
        if (tails[i] === undefined) throw new TypeError(`tails[${i}]: must be a stub of a worker`);
      }
      known.tails = tails;
    }
    return pass.text(stringify(known));
  };
  const load = (id, code, refused = undefined) => new Pending((resolve, reject) => loadWorker(id, code, resolve, (reason) => {
    if (refused !== undefined) refused(reason);
    reject(reason);
  }));
  const ignore = () => {};
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
            return await load(id, await codeText(await factory()));
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
      if (typeof text !== 'string') {
        const loading = then(text, (known) => load(null, known));
        then(loading, undefined, ignore);
        return worker(() => loading);
      }
      let refused;
      const loading = load(null, text, (reason) => {
        refused = [reason];
      });
      then(loading, undefined, ignore);
      // The host says at once what is wrong with code.
      settleEnded();
      if (refused !== undefined) throw refused[0];
      return worker(() => loading);
    },
  });
})
