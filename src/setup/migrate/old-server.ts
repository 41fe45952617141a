import { readFileSync } from 'node:fs';
import { readProcess } from '../../base/machine/process-table.ts';
import { holdersOf } from '../../base/machine/processes.ts';
import { APPS } from '../../runtime/contract.ts';
import type { Pm2Process } from '../pm2/client.ts';

/** What has the old database open. The first two can be stopped, and started again with the old data. */
export type OldServer =
  /** Names of PM2's apps, in the order in which they are started. */
  | { kind: 'pm2'; apps: string[] }
  | { kind: 'unit'; unit: string; ofUser: boolean }
  | { kind: 'container'; id: string }
  | { kind: 'process'; pid: number; command: string };

/** A process that has the database open. */
export interface Holder {
  pid: number;
  command: string;
  /** Pids of its parent, the parent of that, and so on. */
  ancestors: readonly number[];
  /** Its control groups, as /proc/PID/cgroup says. */
  cgroup: string;
}

/** SQLite's files of a database. */
export function filesOf(source: string): string[] {
  return [source, `${source}-wal`, `${source}-shm`];
}

export function findHolders(source: string): Holder[] {
  return holdersOf('/', filesOf(source))
    .filter(({ pid }) => pid !== process.pid)
    .map(({ pid, command }) => ({
      pid,
      command: command.join(' '),
      ancestors: ancestorsOf(pid),
      cgroup: cgroupOf(pid),
    }));
}

function ancestorsOf(pid: number): number[] {
  const found: number[] = [];
  for (let at = readProcess(pid)?.ppid ?? 0; at > 1; at = readProcess(at)?.ppid ?? 0) found.push(at);
  return found;
}

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}

/** Whose the processes are, each server once. */
export function serversOf(holders: readonly Holder[], pm2: readonly Pm2Process[]): OldServer[] {
  const apps = new Set<string>();
  const others = new Map<string, OldServer>();
  for (const holder of holders) {
    const app = pm2.find(({ pid }) => pid && (pid === holder.pid || holder.ancestors.includes(pid)));
    if (app) {
      apps.add(app.name);
      continue;
    }
    const server = serverOf(holder);
    others.set(JSON.stringify(server), server);
  }
  return [...(apps.size > 0 ? [{ kind: 'pm2' as const, apps: inOrder(apps, pm2) }] : []), ...others.values()];
}

/** The workers are forked from the preload process, and their supervisors, which hold nothing, start them again. */
function inOrder(apps: ReadonlySet<string>, pm2: readonly Pm2Process[]): string[] {
  const ours = [APPS.preload, APPS.cluster];
  const isOurs = ours.some((name) => apps.has(name));
  return [
    ...(isOurs ? ours.filter((name) => pm2.some((app) => app.name === name)) : []),
    ...[...apps].filter((name) => !(ours as readonly string[]).includes(name)),
  ];
}

const CONTAINER = /(?:docker|libpod|cri-containerd)[-/]([0-9a-f]{12})[0-9a-f]{52}/;
const UNIT = /\/([^/\n]+\.service)(?:\/|$)/gm;
/** Units that hold whatever somebody starts by hand. */
const OF_SESSIONS = /^(?:user@\d+|pm2-.*|cron|crond|ssh|sshd|docker|containerd)\.service$/;

function serverOf({ pid, command, cgroup }: Holder): OldServer {
  const id = CONTAINER.exec(cgroup)?.[1];
  if (id !== undefined) return { kind: 'container', id };
  const units = [...cgroup.matchAll(UNIT)].map(([, name = '']) => name);
  const unit = units.findLast((name) => !OF_SESSIONS.test(name));
  if (unit !== undefined) {
    return { kind: 'unit', unit, ofUser: units.some((name) => name.startsWith('user@')) };
  }
  return { kind: 'process', pid, command };
}

/** Whether it is what `up`, or an ecosystem file of ours, has started. */
export function isOfOurs(server: OldServer): boolean {
  return server.kind === 'pm2' && server.apps.includes(APPS.cluster);
}

/** Whether we can stop it, and start it again. */
export function isManaged(server: OldServer): boolean {
  return server.kind === 'pm2' || server.kind === 'unit';
}

/** The command that stops it. */
export function stopCommand(server: OldServer): string {
  switch (server.kind) {
    case 'pm2':
      return `pm2 stop ${server.apps.toReversed().join(' ')}`;
    case 'unit':
      return `systemctl ${server.ofUser ? '--user ' : ''}stop ${server.unit}`;
    case 'container':
      return `docker stop ${server.id}`;
    case 'process':
      return `kill ${server.pid}`;
  }
}

export function nameOf(server: OldServer): string {
  switch (server.kind) {
    case 'pm2':
      return `PM2’s ${server.apps.join(', ')}`;
    case 'unit':
      return `the unit ${server.unit}`;
    case 'container':
      return `the container ${server.id}`;
    case 'process':
      return `process ${server.pid} (${server.command.slice(0, 60)})`;
  }
}
