interface Business {
  readonly api: Business.Api;
  readonly ai: Business.Ai;
}

declare namespace Business {
  type RequestOptions = Omit<Gateway.RouteOptions, "method" | "body">;
  /** An answer that is no success: `upstream_error`, with what was answered. */
  interface UpstreamError extends ServiceError {
    status: number;
    body: any;
  }
  /** Requests along the routes of the gateway. What comes is the answer's body; a status that is not 2xx throws. */
  interface Api {
    get<T = any>(path: string, options?: RequestOptions): Promise<T>;
    post<T = any>(path: string, body?: unknown, options?: RequestOptions): Promise<T>;
    put<T = any>(path: string, body?: unknown, options?: RequestOptions): Promise<T>;
    patch<T = any>(path: string, body?: unknown, options?: RequestOptions): Promise<T>;
    delete<T = any>(path: string, options?: RequestOptions): Promise<T>;
  }

  /** Members that are not listed go into the request as they are: `temperature`, `max_tokens`, `seed`, ... */
  interface AiOptions {
    /** Where absent, the route's `defaults` say which. */
    model?: string;
    /** The gateway's route to an endpoint that speaks OpenAI's wire; `/ai` where absent. */
    route?: string;
    /** Milliseconds; the route's own limit is the most. */
    timeout?: number;
    [member: string]: unknown;
  }
  interface ChatOptions extends AiOptions {
    /** What the model is told before the prompt. */
    system?: string;
  }
  interface SchemaOptions extends ChatOptions {
    /** What the schema is called; `result` where absent. */
    name?: string;
    /** Asks the endpoint to keep the schema to the letter, which not all schemas and endpoints allow. */
    strict?: boolean;
  }
  interface Message {
    role: string;
    content: unknown;
  }
  /** Models. What one gives that is not what was asked for is a `ServiceError` with the code `upstream_error`. */
  interface Ai {
    generateText(prompt: string | readonly Message[], options?: ChatOptions): Promise<string>;
    /** A value that keeps a JSON Schema. It is held against it here too: types, words, members, items. */
    generate<T = any>(prompt: string | readonly Message[], options: SchemaOptions & { schema: object }): Promise<T>;
    /** The numbers that stand for a text, or for each of several. */
    embed(text: string, options?: AiOptions): Promise<number[]>;
    embed(texts: readonly string[], options?: AiOptions): Promise<number[][]>;
    /** The label that fits best. */
    classify<L extends string>(text: string, labels: readonly L[], options?: ChatOptions): Promise<L>;
    /** What a text says of what the schema asks for. */
    extract<T = any>(text: string, schema: object, options?: SchemaOptions): Promise<T>;
  }
}
