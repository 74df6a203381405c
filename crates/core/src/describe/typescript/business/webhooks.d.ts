interface Business {
  readonly send: Business.Send;
}

declare namespace Business {
  interface Send {
    /** Sends an event to every endpoint that wants it; gives the ids of the deliveries. */
    webhook(event: string, payload?: unknown): Promise<string[]>;
  }
}
