// Some of everything in lodash.
import lodash, * as _ from 'lodash-es';

const people = [
  { name: 'Ada', born: 1815, tags: ['maths', 'engines'] },
  { name: 'Grace', born: 1906, tags: ['compilers'] },
  { name: 'Alan', born: 1912, tags: ['maths', 'machines'] },
  { name: 'Barbara', born: 1928, tags: [] },
];
class Own {
  constructor(public a = 1) {}
  get double() {
    return this.a * 2;
  }
}

const cases: Record<string, () => unknown> = {
  arrays: () => [
    _.chunk([1, 2, 3, 4, 5], 2),
    _.difference([1, 2], [2]),
    _.zip(['a', 'b'], [1, 2]),
    _.uniqBy(people, (p) => p.tags[0]).length,
    _.xor([1, 2], [2, 3]),
    _.flattenDeep([1, [2, [3, [4]]]]),
  ],
  collections: () => [
    _.groupBy(people, (p) => Math.floor(p.born / 100)),
    _.orderBy(people, ['tags.length', 'name'], ['desc', 'asc']).map((p) => p.name),
    _.keyBy(people, 'name').Ada.born,
    _.countBy(_.flatMap(people, 'tags')),
    _.partition(people, 'tags.length').map((part) => part.length),
  ],
  objects: () => [
    _.get({ a: [{ b: { c: 3 } }] }, 'a[0].b.c'),
    _.set({}, 'x[0].y.z', 5),
    _.merge({ a: [{ b: 2 }], c: 1 }, { a: [{ d: 4 }] }),
    _.pick(people[0], ['name', 'tags[1]']),
    _.omit({ a: 1, b: { c: 2, d: 3 } }, 'b.c'),
    _.defaultsDeep({ a: { b: 1 } }, { a: { b: 2, c: 3 } }),
    _.invert({ a: 1, b: 2 }),
    _.mapKeys({ a: 1 }, (v, k) => k + v),
  ],
  strings: () => [
    _.camelCase('--foo-bar été'),
    _.kebabCase('fooBarBaz'),
    _.startCase('the_quick brown'),
    _.deburr('déjà vu Straße'),
    _.truncate('hi-diddly-ho there, neighborino', { length: 24, separator: ' ' }),
    _.words('fred, barney & 👩‍💻 pebbles'),
    _.padStart('7', 3, '0'),
    _.escape('<a & "b">'),
    _.size('👨‍👩‍👧'),
  ],
  template: () =>
    _.template('<% _.forEach(people, (p) => { %><li><%- p.name %></li><% }) %> ${ people.length }', { imports: { _ } })(
      { people },
    ),
  clones: () => {
    const from: Record<string, unknown> = {
      date: new Date(0),
      map: new Map([['a', { b: 1 }]]),
      set: new Set([1]),
      re: /a+/gi,
      bytes: new Uint8Array([1, 2]),
      own: new Own(4),
      symbol: { [Symbol.for('s')]: 1 },
    };
    from.self = from;
    const to = _.cloneDeep(from) as typeof from;
    return [
      _.isEqual(from, to),
      to.self === to,
      to.map !== from.map,
      (to.own as Own).double,
      to.own instanceof Own,
      String(to.re),
      (to.date as Date).getTime(),
      _.isEqual(new Map([[1, [2]]]), new Map([[1, [3]]])),
    ];
  },
  kinds: () =>
    [
      [],
      {},
      'a',
      1,
      null,
      undefined,
      () => 1,
      new Date(),
      /a/,
      new Map(),
      new WeakMap(),
      Symbol('a'),
      new Error('e'),
      new Uint8Array(1),
      new ArrayBuffer(1),
      (function () {
        return arguments;
      })(),
    ].map((value) =>
      [
        'isArray',
        'isPlainObject',
        'isString',
        'isNumber',
        'isNil',
        'isFunction',
        'isDate',
        'isRegExp',
        'isMap',
        'isWeakMap',
        'isSymbol',
        'isError',
        'isTypedArray',
        'isArrayBuffer',
        'isArguments',
      ]
        .filter((is) => (_ as never as Record<string, (v: unknown) => boolean>)[is](value))
        .join(),
    ),
  functions: () => {
    let calls = 0;
    const once = _.once(() => ++calls);
    const slow = _.memoize((n: number) => {
      calls += 10;
      return n * 2;
    });
    return [
      once(),
      once(),
      slow(2),
      slow(2),
      calls,
      _.curry((a: number, b: number, c: number) => a + b + c)(1)(2, 3),
      _.flow([Math.abs, Math.sqrt])(-16),
      _.partial(_.add, 1)(2),
    ];
  },
  debounced: () =>
    new Promise((resolve) => {
      const heard: unknown[] = [];
      const debounced = _.debounce((value) => {
        heard.push(value);
        resolve(heard);
      }, 5);
      debounced('first');
      debounced('second');
    }),
  numbers: () => [
    _.clamp(10, -5, 5),
    _.inRange(3, 2, 4),
    _.round(4.006, 2),
    _.sumBy(people, 'born'),
    _.mean([4, 2, 8]),
    _.range(0, 1, 0.25),
    _.random(5, 5),
  ],
  chained: () => lodash.chain(people).filter('tags.length').map('name').value(),
};

export default {
  async fetch() {
    const answers: Record<string, unknown> = {};
    for (const name of Object.keys(cases)) answers[name] = await cases[name]();
    return Response.json(answers);
  },
};
