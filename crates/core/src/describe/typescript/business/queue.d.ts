interface Business {
  readonly on: Business.On;
}

declare namespace Business {
  /** An event as its handler is told of it. */
  interface EventInfo {
    readonly event: string;
    /** The message's id. */
    readonly id: string;
    /** Which attempt it is, counted from 1. */
    readonly attempts: number;
    /** When it was emitted, in milliseconds since the Unix epoch. */
    readonly timestamp: number;
  }
  /**
   * What is to be done with an event. The function is kept as its text, and each event runs it in a heap of its own: it
   * sees what every snippet sees (`$`, `env`, `ctx`, `console`), and no variable around it.
   */
  type EventHandler<T = any> = (payload: T, event: EventInfo) => unknown;
  interface On {
    /**
     * Names the handler of an event, or replaces it; it stays until then. An event is a message of the queue
     * `on:<event>`: it waits for a handler where there is none, and is tried again where the handler throws.
     */
    <T = any>(
      event: string,
      handler: EventHandler<T> | Queue.ConsumerTarget,
      options?: Queue.ConsumerOptions,
    ): Promise<Queue.Consumer>;
    /** Emits an event; the promise is fulfilled once it cannot be lost any more. */
    emit(event: string, payload?: unknown, options?: Queue.SendOptions): Promise<Queue.Sent>;
  }
}
