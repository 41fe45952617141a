/** Where a server listens. */
export interface Address {
  host: string;
  port: number;
}

/** Milliseconds that `/ready` may take. */
const READY_TIMEOUT = 2_000;

/** Where people and `/ready` find it. */
export function addressOf({ host, port }: Address): string {
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': LOOPBACK, '::': '[::1]' };
  const name = everywhere[host] ?? (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
  return `http://${name}:${port}`;
}

/** Whether a worker that is ready answers there. */
export async function isReady(plan: Address): Promise<boolean> {
  try {
    const answer = await fetch(`${addressOf(plan)}/ready`, { signal: AbortSignal.timeout(READY_TIMEOUT) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** Loopback, in the form that the URLs have. */
export const LOOPBACK = '127.0.0.1';

/** Whether an address, or the name of one, is of this machine alone (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
