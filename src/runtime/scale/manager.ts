import type { ServingInstance } from './look.ts';

/** Who starts and stops the instances. `grow` and `shrink` resolve once that has begun; else, to why it cannot be now. */
export interface Manager {
  /** The instance that would be taken away; undefined: there is none. */
  leaving(serving: readonly ServingInstance[]): ServingInstance | undefined;
  grow(serving: readonly ServingInstance[]): Promise<string | undefined>;
  /** Takes the instance away, whose worker drains first. */
  shrink(serving: readonly ServingInstance[], which: ServingInstance): Promise<string | undefined>;
  /** What has begun and is not done; undefined: nothing, as far as it is known. */
  underWay(): string | undefined;
}
