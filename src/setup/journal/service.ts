/** What serves the data that a job changes. */
export interface Service {
  /** Ends it, and returns once none of its processes is left. */
  stop(): Promise<void>;
  /** Returns once it serves. Throws TuneError where it does not. */
  start(): Promise<void>;
}
