import { listenersOn } from './machine/listeners.ts';
import type { Process } from './machine/processes.ts';
import { isOpenToOthers } from './settings/secrets-file.ts';
import type { MachineFacts, ServiceFacts } from './types.ts';
import { formatBytes } from './units.ts';

/* What is worth a warning though the plan does not depend on it. */

export function openEnvFile(path: string | undefined): string[] {
  if (path === undefined || !isOpenToOthers(path)) return [];
  return [`others can read ${path}, which may hold secrets: chmod 600 ${path}`];
}

/** The cluster itself may be what listens: it is being planned anew. */
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

/** `--cpus` with `--memory` plans for another machine: on this one the plan may not hold. */
export function tooLittleHere({ memory: planned }: MachineFacts, { memory: here }: MachineFacts): string[] {
  if (planned.availableBytes <= here.availableBytes) return [];
  const [wanted, there] = [planned.availableBytes, here.availableBytes].map(formatBytes);
  return [`planned for a machine with ${wanted} of free memory, as the flags say: this one has ${there}`];
}
