// $.on and $.every: code that runs later, and is registered as text, since no heap outlives its run.
(function (native) {
  'use strict';
  const { isObject, str } = native;
  const { call, invalid, options } = native.business;
  const { freeze } = Object;
  const stringify = JSON.stringify;
  const textOf = native.uncurry(Function.prototype.toString);

  // Arrow functions and function expressions stand for themselves wherever their text is put.
  const STANDS_ALONE = /^(?:async\b\s*)?(?:function\b(?!\s*\*)|\(|[^\s("'[]+\s*=>)/;
  const textOfHandler = (handler) => {
    const text = textOf(handler);
    if (!STANDS_ALONE.test(text) || /\{\s*\[native code\]\s*\}$/.test(text)) {
      throw new TypeError('A handler must be an arrow function or a function: the text of methods, classes, generators '
        + 'and functions that are not yours does not run by itself');
    }
    return text;
  };
  const snippet = (code) => ({ code, language: 'javascript' });
  const notAHandler = () => new TypeError('A handler must be a function, or a target such as {worker: {id}}');

  const queueOf = (event) => `on:${str(event)}`;
  // One message to a run: what fails is tried again by itself, and told of by itself.
  const messageHandler = (text) => snippet(`async (input, env, ctx) => {
    await ((handle, { body: { event, payload }, ...message }) => handle(payload, { event, ...message }))(
      ${text},
      input.messages[0],
    );
  }`);
  const on = (event, handler, given = undefined) => {
    const more = options(given, 'options');
    if (typeof handler === 'function') {
      const target = messageHandler(textOfHandler(handler));
      return call('queue_setConsumer', queueOf(event), target, { ...more, maxBatch: 1 });
    }
    if (!isObject(handler)) throw notAHandler();
    return call('queue_setConsumer', queueOf(event), handler, more);
  };
  on.emit = (event, payload = null, given = undefined) => (
    call('queue_send', queueOf(event), { event: str(event), payload }, options(given, 'options'))
  );

  // 53 bits that tell texts apart, in an order of steps that nobody chooses: names of tasks, no proof of anything.
  const hash = (text) => {
    let one = 0xdeadbeef;
    let other = 0x41c6ce57;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      one = Math.imul(one ^ unit, 2654435761);
      other = Math.imul(other ^ unit, 1597334677);
    }
    one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909);
    other = Math.imul(other ^ (other >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
    return (4294967296 * (2097151 & other) + (one >>> 0)).toString(16).padStart(14, '0');
  };
  const register = (word, schedule, handler, more) => {
    let target = handler;
    if (typeof handler === 'function') {
      target = { snippet: snippet(`async (input, env, ctx) => (${textOfHandler(handler)})(input, env, ctx)`) };
    } else if (!isObject(handler)) {
      throw notAHandler();
    }
    const { name = `${word}:${hash(stringify([schedule, more.timezone, target]))}`, ...rest } = more;
    return call('schedule_registerTask', { ...rest, name, schedule, target });
  };
  // Cron after minute and hour.
  const DAYS = { __proto__: null, day: '* * *', weekday: '* * 1-5', week: '* * 1', month: '1 * *' };
  const clock = (time) => {
    const [, hour, minute] = (typeof time === 'string' && /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time)) || [];
    if (minute === undefined) throw invalid('options.time: must be a time of day, like 09:30');
    return `${Number(minute)} ${Number(hour)}`;
  };
  const atTime = (word) => (handler, given = undefined) => {
    const { time = '00:00', ...more } = options(given, 'options');
    return register(word, `${clock(time)} ${DAYS[word]}`, handler, more);
  };
  const often = (word, schedule) => (handler, given = undefined) => (
    register(word, schedule, handler, options(given, 'options'))
  );

  native.business.on = freeze(on);
  native.business.every = freeze({
    __proto__: null,
    minute: often('minute', '* * * * *'),
    hour: often('hour', '0 * * * *'),
    day: atTime('day'),
    weekday: atTime('weekday'),
    week: atTime('week'),
    month: atTime('month'),
    at: (schedule, handler, given = undefined) => register('at', str(schedule), handler, options(given, 'options')),
  });
})
