// What code that doer runs can see, beside the language and the web platform (lib "ES2023" with "WebWorker" or "DOM").
//
// Code is the body of an async function with `input`, `env`, `ctx`, `request` and `$` in scope, whose `return` gives
// the result; or an arrow function, called with `(input, env, ctx)`; or a module, whose default export is such a
// function or an object with a `fetch` method. `POST /eval` gives code its `input`, and nothing else of this.
//
// What goes into a service is `unknown` where it may be any JSON; what comes out of it is `any` there.

declare const input: any;
declare const env: Env;
declare const ctx: Context;
/** `POST http://execute/` with `input` as its JSON body, where there is an input. */
declare const request: Request;

/** What modules import; `cloudflare:workers` is another name of it. */
declare module "doer:workers" {
  /** `env`, for modules whose functions do not get it. */
  export const env: Env;
  /** The business runtime. */
  export const $: Business;
  /** An export that is a class of these is an entrypoint: its methods can be called from outside. */
  export class WorkerEntrypoint {
    constructor(ctx: Context, env: Env);
    readonly ctx: Context;
    readonly env: Env;
  }
}

/** A module's default export: `export default { ... } satisfies ExportedHandler`. */
interface ExportedHandler {
  fetch?(request: Request, env: Env, ctx: Context): Response | Promise<Response>;
  /** A task is due whose target is this worker. */
  scheduled?(event: ScheduledEvent, env: Env, ctx: Context): unknown;
  /** Messages of a queue whose consumer is this worker. */
  queue?(batch: MessageBatch, env: Env, ctx: Context): unknown;
  /** After each run of a worker that names this one among its `tails`. */
  tail?(events: TailEvent[], env: Env, ctx: Context): void | Promise<void>;
}

/** A task that is due. */
interface ScheduledEvent {
  readonly type: "scheduled";
  /** The task's schedule, as it was written. */
  readonly cron: string;
  /** When it was due, in milliseconds since the Unix epoch. */
  readonly scheduledTime: number;
  /** The task's name. */
  readonly task: string;
  /** Which attempt it is, counted from 1. */
  readonly attempt: number;
}

/** Messages of a queue; those that are not wanted again are acknowledged when the handler returns. */
interface MessageBatch {
  readonly queue: string;
  readonly messages: readonly BatchMessage[];
  ackAll(): void;
  retryAll(): void;
}

/** A message of a batch. */
interface BatchMessage {
  readonly id: string;
  readonly body: any;
  /** Deliveries so far, this one included. */
  readonly attempts: number;
  /** When it was sent. */
  readonly timestamp: Date;
  ack(): void;
  retry(): void;
}

/** What a tail worker is told of a run. Times are in milliseconds. */
interface TailEvent {
  readonly event: any;
  readonly eventTimestamp: number;
  readonly logs: { readonly level: "log" | "warn" | "error"; readonly message: string[] }[];
  readonly exceptions: { readonly name: string; readonly message: string; readonly stack: string | null }[];
  readonly outcome:
    | "ok"
    | "exception"
    | "canceled"
    | "exceededCalls"
    | "exceededCpu"
    | "exceededMemory"
    | "exceededOutput"
    | "exceededWallTime";
  /** Logs were cut. */
  readonly truncated: boolean;
  readonly cpuTime: number;
  readonly wallTime: number;
}

/** On whose behalf code runs. */
interface Context {
  /** What the request gave as `props`; an empty object where it gave nothing. */
  readonly props: any;
  /** Whose credentials came with the request; null where none did. */
  readonly user: Context.User | null;
  /** What it works in: `*`, `tenant:<id>`, `user:<id>` or `session:<requestId>`. */
  readonly namespace: string;
  /** Did valid credentials come with the request? */
  readonly authenticated: boolean;
  /** The server's own id of the request. */
  readonly requestId: string;
  /** Entrypoints of the same program. */
  readonly exports: { readonly [name: string]: any };
  /** Keeps the run going until `promise` is settled, within its limits. */
  waitUntil(promise: unknown): void;
}

/**
 * What a call of a service throws. Beside the codes that a method names, every call may give `invalid_request`,
 * `forbidden` where the service is not granted, `service_unavailable` and `internal`.
 */
interface ServiceError extends Error {
  name: "ServiceError";
  code: ServiceError.Code;
  /** When it is worth trying again, in milliseconds, where that is known. */
  retryAfterMs?: number;
}

/** What every call takes last: a method's own options, or these. */
interface CallOptions {
  /**
   * The namespace to work in: `*`, `tenant:<id>` or `user:<id>`; the caller's own where absent. Only internal callers
   * may name another.
   */
  namespace?: string;
}

/** A `DOMException` that says how much there was: not yet in the libraries of the compiler. */
interface QuotaExceededError extends DOMException {
  readonly quota: number | null;
  readonly requested: number | null;
}
interface QuotaExceededErrorOptions {
  quota?: number;
  requested?: number;
}
declare var QuotaExceededError: {
  prototype: QuotaExceededError;
  new(message?: string, options?: QuotaExceededErrorOptions): QuotaExceededError;
};
