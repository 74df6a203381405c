/**
 * The business runtime: what business code does most, on top of the services. It is what the services are, within the
 * same grants and limits. Snippets have it in scope; modules import it: `import { $ } from "doer:workers"`.
 */
declare const $: Business;

interface Business {
  readonly decide: Business.Decide;
  /** Whose credentials came with the request. Throws at a module's top level, where there is no request. */
  readonly user: Business.User;
}

declare namespace Business {
  /** What a field may be compared with. */
  type Scalar = string | number | boolean | null;
  /** All of them must hold. A field that is absent is as good as null; text is not equal to a number. */
  interface Operators {
    $eq?: Scalar;
    $ne?: Scalar;
    $gt?: string | number;
    $gte?: string | number;
    $lt?: string | number;
    $lte?: string | number;
    $in?: readonly Scalar[];
  }
  /** By name of the field, `address.city` inside another; all of them must hold. An object of its own has no equal. */
  interface Conditions {
    [field: string]: Scalar | Operators | readonly Conditions[] | undefined;
    /** One of these must hold. */
    $or?: readonly Conditions[];
  }

  interface Decide {
    /** One of two, called where it is a function. A promise is no condition: it throws a `TypeError`. */
    if<T, U = undefined>(
      condition: boolean | (() => unknown) | unknown,
      then: T | (() => T),
      otherwise?: U | (() => U),
    ): T | U;
    /** The case that is called like the value, or else `otherwise`; called with the value where it is a function. */
    switch<T, U = undefined>(
      value: string | number | boolean,
      cases: { readonly [value: string]: T | ((value: any) => T) },
      otherwise?: U | ((value: any) => U),
    ): T | U;
    /** The outcome of the first rule that applies, called with the facts where it is a function, or undefined. */
    rules<T, F = any>(rules: readonly Rule<T, F>[], facts?: F): T | undefined;
  }
  interface Rule<T = any, F = any> {
    /** Conditions on the facts, or a function of them; always where absent. */
    when?: Conditions | boolean | ((facts: F) => unknown);
    then: T | ((facts: F) => T);
  }

  interface User {
    /** Null where nobody signed in. */
    readonly id: string | null;
    readonly email: string | null;
    readonly name: string | null;
    readonly roles: readonly string[];
    /** As far as the credentials go: an API key may hold less than its owner. */
    readonly permissions: readonly string[];
    hasRole(role: string): boolean;
    /** Held as it is, or within `resource:*` or `*`. */
    hasPermission(permission: string): boolean;
  }
}
