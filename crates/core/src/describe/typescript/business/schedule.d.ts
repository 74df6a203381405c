interface Business {
  readonly every: Business.Every;
}

declare namespace Business {
  interface ScheduledInput {
    readonly task: string;
    /** When it was due, in milliseconds since the Unix epoch. */
    readonly scheduledAt: number;
    readonly attempt: number;
  }
  /**
   * What is to be done again and again. The function is kept as its text, and each time runs in a heap of its own: it
   * sees what every snippet sees (`$`, `env`, `ctx`, `console`), and no variable around it.
   */
  type TaskHandler = (input: ScheduledInput, env: Env, ctx: Context) => unknown;
  type TaskOptions = Omit<Schedule.NewTask, "name" | "schedule" | "target"> & {
    /** Name of the task; a task of that name is replaced. Made of schedule and text where absent. */
    name?: string;
  };
  type TimedOptions = TaskOptions & {
    /** Time of day, like `09:30`, in the options' `timezone`; `00:00` where absent. */
    time?: string;
  };
  type Register<O> = (handler: TaskHandler | Schedule.Target, options?: O) => Promise<Schedule.Task>;
  /** Registers tasks. The same handler registered again is the same task. */
  interface Every {
    readonly minute: Register<TaskOptions>;
    readonly hour: Register<TaskOptions>;
    readonly day: Register<TimedOptions>;
    /** Monday to Friday. */
    readonly weekday: Register<TimedOptions>;
    /** On Mondays. */
    readonly week: Register<TimedOptions>;
    /** On the first day of each. */
    readonly month: Register<TimedOptions>;
    /** By cron, `@daily` and the like, or `every 5 minutes`. */
    at(schedule: string, handler: TaskHandler | Schedule.Target, options?: TaskOptions): Promise<Schedule.Task>;
  }
}
