/** Milliseconds in which a service must answer; one on the same machine takes less than 20, and seconds at a load of ten. */
export const ANSWER_TIMEOUT = 5_000;

/** Rejects when `promise` takes longer. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  // If the promise rejects after the time-out, that must not become an unhandled rejection.
  promise.catch(() => {});
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Why a connection failed, in one line. Node puts the cause of "all addresses failed" into a list. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n', 1)[0] || 'unknown error';
}
