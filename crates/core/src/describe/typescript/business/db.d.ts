interface Business {
  readonly db: Business.Documents;
}

declare namespace Business {
  /** An object of your own with its id and when it was first and last written, in milliseconds since the Unix epoch. */
  type Document<T = Record<string, any>> = T & { id: string; createdAt: number; updatedAt: number };
  interface FindOptions {
    /** At most so many; 100 where absent, 1000 at most. */
    limit?: number;
    /** After so many. */
    offset?: number;
    /** Names of fields, after a `-` from the largest on; `-createdAt` where absent. */
    sort?: string | readonly string[];
  }
  /** Documents in collections. They are things of `env.db` whose data is an object, and are in the same database. */
  interface Documents {
    find<T = Record<string, any>>(
      collection: string,
      where?: Conditions | null,
      options?: FindOptions,
    ): Promise<Document<T>[]>;
    /** By id or by conditions: the first, or null. */
    findOne<T = Record<string, any>>(
      collection: string,
      which: string | Conditions,
      options?: Pick<FindOptions, "offset" | "sort">,
    ): Promise<Document<T> | null>;
    /**
     * Writes a new document; its id is made up where it has none.
     *
     * @throws {ServiceError} conflict, quota
     */
    create<T extends object>(collection: string, document: T & { id?: string }): Promise<Document<T>>;
    /**
     * Changes members of a document in one step, and leaves the others: objects are merged, null removes a member.
     *
     * @throws {ServiceError} not_found, quota
     */
    update<T = Record<string, any>>(collection: string, id: string, changes: object): Promise<Document<T>>;
    /** Gives back what it removed, or null. */
    delete<T = Record<string, any>>(collection: string, id: string): Promise<Document<T> | null>;
    count(collection: string, where?: Conditions | null): Promise<number>;
  }
}
