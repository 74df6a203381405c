// MessageChannel: two ports in one heap. Messages are cloned, and arrive by a timer, so later than any promise.
(function (native, globalThis) {
  'use strict';
  const {
    DOMException, Event, EventTarget, SECRET, arity, define, dictionary, dispatchTrusted, handlerAttribute, illegal, isObject, sequence,
    str, usv,
  } = native;
  const { setTimeout } = globalThis;

  class MessageEvent extends Event {
    #data = null;
    #origin = '';
    #lastEventId = '';
    #source = null;
    #ports = [];
    constructor(type, init = undefined) {
      arity(arguments.length, 1, 'MessageEvent');
      super(type, init);
      init = dictionary(init, 'MessageEvent: init');
      if (init === undefined) return;
      const { data, lastEventId, origin, ports, source } = init;
      if (data !== undefined) this.#data = data;
      if (lastEventId !== undefined) this.#lastEventId = str(lastEventId);
      if (origin !== undefined) this.#origin = usv(origin);
      if (ports !== undefined) this.#ports = sequence(ports, portOf, 'MessageEvent: ports');
      if (source !== undefined && source !== null) this.#source = portOf(source);
    }
    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#lastEventId; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }
    initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = '', lastEventId = '', source = null, ports = []) {
      this.#data;
      arity(arguments.length, 1, 'MessageEvent.initMessageEvent');
      if (native.eventState(this).dispatching) return;
      this.initEvent(type, bubbles, cancelable);
      this.#data = data;
      this.#origin = usv(origin);
      this.#lastEventId = str(lastEventId);
      this.#source = source;
      this.#ports = ports;
    }
  }
  define(MessageEvent);

  // What the two ports of a channel share with each other; it moves with a port that is transferred.
  const end = () => ({ __proto__: null, queue: [], started: false, closed: false, detached: false, other: undefined, port: undefined });
  const deliver = (to) => {
    setTimeout(() => {
      if (!to.started || to.closed || to.queue.length === 0) return;
      const { data, ports } = to.queue[0];
      for (let i = 1; i < to.queue.length; i++) to.queue[i - 1] = to.queue[i];
      to.queue.length--;
      dispatchTrusted(to.port, new MessageEvent('message', { __proto__: null, data, ports }));
    }, 0);
  };

  let endOf;
  let make;
  class MessagePort extends EventTarget {
    #end;
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
      super();
    }
    postMessage(message, options = undefined) {
      const from = this.#end;
      arity(arguments.length, 1, 'MessagePort.postMessage');
      let transfer = [];
      if (isObject(options)) {
        if (options[Symbol.iterator] !== undefined) transfer = sequence(options, (v) => v, 'MessagePort.postMessage: transfer');
        else if (options.transfer !== undefined) transfer = sequence(options.transfer, (v) => v, 'MessagePort.postMessage: transfer');
      }
      for (let i = 0; i < transfer.length; i++) {
        if (transfer[i] === this) throw new DOMException('A port cannot be sent through itself', 'DataCloneError');
      }
      const { value, moved } = native.cloneWith(message, transfer);
      const to = from.other;
      if (from.detached || from.closed || to === undefined || to.closed) return;
      const ports = [];
      for (let i = 0; i < moved.length; i++) if (native.isMessagePort(moved[i])) ports[ports.length] = moved[i];
      to.queue[to.queue.length] = { __proto__: null, data: value, ports };
      if (to.started) deliver(to);
    }
    start() {
      const to = this.#end;
      if (to.started || to.detached) return;
      to.started = true;
      for (let i = 0; i < to.queue.length; i++) deliver(to);
    }
    close() {
      const from = this.#end;
      if (from.closed) return;
      from.closed = true;
      const { other } = from;
      if (other !== undefined && !other.closed) {
        other.closed = true;
        if (other.port !== undefined) setTimeout(() => native.fire(other.port, 'close'), 0);
      }
    }
    static {
      endOf = (port) => port.#end;
      make = (shared) => {
        const port = new MessagePort(SECRET);
        port.#end = shared;
        shared.port = port;
        return port;
      };
      native.isMessagePort = (v) => isObject(v) && #end in v;
      native.isDetachedPort = (port) => port.#end.detached;
      // A port of the same channel in place of this one, which is of no use from then on.
      native.movePort = (port) => {
        const shared = port.#end;
        port.#end = { ...end(), detached: true };
        shared.started = false;
        return make(shared);
      };
    }
  }
  const portOf = (v) => {
    if (!native.isMessagePort(v)) throw new TypeError('Not a MessagePort');
    return v;
  };
  define(MessagePort);
  handlerAttribute(MessagePort.prototype, 'message', portOf, (port) => port.start());
  handlerAttribute(MessagePort.prototype, 'messageerror', portOf);
  handlerAttribute(MessagePort.prototype, 'close', portOf);

  class MessageChannel {
    #port1;
    #port2;
    static { native.brand((v) => #port1 in v); }
    constructor() {
      const [a, b] = [end(), end()];
      a.other = b;
      b.other = a;
      this.#port1 = make(a);
      this.#port2 = make(b);
    }
    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
  }
  define(MessageChannel);
})
