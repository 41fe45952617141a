/**
 * Milliseconds that a test waits for what has to come, where the time itself is not what it checks: a machine whose cores
 * other work takes is four times as slow. Shorter than a test may last, so that the error says what did not come.
 */
export const PATIENCE_MS = 240_000;
