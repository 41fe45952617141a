import type { MachineFacts } from '../base/machine/facts.ts';
import { listenersOn } from '../base/machine/listeners.ts';
import type { Process } from '../base/machine/processes.ts';
import { formatBytes } from '../base/units.ts';
import type { ServiceFacts, Settings } from '../facts/types.ts';
import { isOpenToOthers } from './secrets/secrets-file.ts';

/* Warnings about things that the plan does not depend on. */

export function openEnvFile(path: string | undefined): string[] {
  if (path === undefined || !isOpenToOthers(path)) return [];
  return [`other users can read ${path}, which may hold secrets: chmod 600 ${path}`];
}

/** No warning if the running cluster itself listens: it is being planned again. */
export function portInUse(port: number, ours: readonly Process[], root = '/'): string[] {
  const owners = listenersOn(root, port);
  if (owners === undefined) return [];
  const own = new Set(ours.map(({ pid }) => pid));
  if (owners.some(({ pid }) => own.has(pid))) return [];
  const [owner] = owners;
  const who = owner ? `process ${owner.pid} (${owner.command[0] ?? '?'})` : 'a process of another user';
  return [`port ${port} is in use by ${who}: stop it, or choose another --port, before pm2 start`];
}

export function unreachableChroma(chroma: ServiceFacts['chroma']): string[] {
  if (!chroma || chroma.answer.up) return [];
  return [
    `the Chroma server at ${chroma.where} does not answer: ${chroma.answer.reason}. Start it before pm2 start`,
  ];
}

/** Milliseconds that users wait for a failover before they give up (an estimate); Sentinel's default is 30,000. */
const PATIENCE_MS = 10_000;

/** Why the user's Sentinel would not fail over, or too late; and which parts of Open WebUI do not support it. */
export function sentinelNotices(redis: ServiceFacts['redis'], settings: Settings): string[] {
  if (!settings.get('REDIS_SENTINEL_HOSTS')?.value) return [];
  const notices: string[] = [];
  if (settings.get('REDIS_URL')?.value.startsWith('rediss:')) {
    notices.push(
      'Open WebUI does not use TLS with Sentinel, though REDIS_URL says rediss: keep that network private',
    );
  }
  if (settings.get('ENABLE_STAR_SESSIONS_MIDDLEWARE')?.value.toLowerCase() === 'true') {
    notices.push(
      'ENABLE_STAR_SESSIONS_MIDDLEWARE does not support Sentinel: it would look up the master’s name as a host. ' +
        'Remove it; sessions are then kept in cookies',
    );
  }
  if (redis.kind !== 'redis' || !redis.sentinel) return notices;
  const { master, sentinels, quorum, replicas, downAfterMs, unreachable } = redis.sentinel;
  if (replicas === 0) {
    notices.push(`the master ${master} has no replica: its sentinels have nothing to fail over to`);
  }
  if (sentinels < 3 || quorum > sentinels - 1) {
    notices.push(
      `${sentinels} sentinel(s) watch ${master}, and ${quorum} must agree: if one of them is down, nothing fails over. ` +
        'Run three, with a quorum of 2',
    );
  }
  if (downAfterMs >= PATIENCE_MS) {
    notices.push(
      `the sentinels wait ${downAfterMs / 1000} s before they replace ${master}, and live updates stop meanwhile: ` +
        `redis-cli -p PORT SENTINEL SET ${master} down-after-milliseconds 5000, on each`,
    );
  }
  for (const reason of unreachable) notices.push(`the sentinel ${reason}`);
  return notices;
}

/** `--cpus` with `--memory` plans for another machine: on this one the plan may not fit. */
export function tooLittleHere({ memory: planned }: MachineFacts, { memory: here }: MachineFacts): string[] {
  if (planned.availableBytes <= here.availableBytes) return [];
  const [wanted, there] = [planned.availableBytes, here.availableBytes].map(formatBytes);
  return [`planned for a machine with ${wanted} of free memory, as the flags say; this one has ${there}`];
}
