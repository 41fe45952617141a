import { setTimeout as sleep } from 'node:timers/promises';

interface WaitOptions {
  /** What is waited for: the error says it. */
  what: string;
  timeoutMs: number;
  intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 20;

/**
 * Polls until the condition returns something truthy, and returns that. A condition that throws is a condition
 * that does not hold yet; its last error is the cause of the time-out.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs, intervalMs = DEFAULT_INTERVAL_MS }: WaitOptions,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<Exclude<T, false>>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await sleep(intervalMs);
  }
}

/**
 * As Promise.all, but only once each has ended, also where one fails: what is undone then must not be worked on any more.
 */
export async function allEnded<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
