/**
 * A real systemd in namespaces of its own: units are lived in, not only verified. It needs root, and a kernel that lets
 * root make namespaces.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { logTail, startProcess, untilGone } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { type ProcessInfo, processTree } from '../../src/base/machine/process-table.ts';
import { ROOT } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';

const SCRIPT = join(ROOT, 'test', 'kit', 'boot-systemd.sh');
const NAMESPACES = ['--mount', '--pid', '--fork', '--ipc', '--uts', '--mount-proc'];
const CGROUPS = '/sys/fs/cgroup';
const SHIPPED = '/lib/systemd/system';

/** What a shutdown consists of, as the machine has it. */
const OF_A_SHUTDOWN = ['poweroff.target', 'systemd-poweroff.service'];

/** systemd(1), "Signals": SIGRTMIN+4 starts poweroff.target; glibc's SIGRTMIN is 34. */
const POWER_OFF = 34 + 4;

let booted = 0;

/** Units that others refer to; the machine's own would start its services, and empty its /tmp. */
const TARGETS = ['sysinit', 'basic', 'multi-user', 'sockets', 'timers', 'paths', 'slices'].concat([
  'shutdown',
  'umount',
  'final',
  'network-online',
]);

/** Why there can be no such systemd here; undefined: there can. */
export function whyNoSystemd(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is missing (package systemd)';
  try {
    execFileSync('unshare', [...NAMESPACES, '--cgroup', 'mount', '--make-rprivate', '/'], {
      stdio: 'ignore',
    });
    return undefined;
  } catch {
    return 'this machine lets nobody make namespaces';
  }
}

export class Systemd {
  readonly #unshare: number;
  readonly #init: number;

  constructor(unshare: number, init: number) {
    this.#unshare = unshare;
    this.#init = init;
  }

  /** Shuts it down, as a machine is: all units stop in their order. Returns once no process of it is left. */
  async powerOff(timeoutMs: number): Promise<void> {
    const all = processTree(this.#unshare);
    // To this process alone, and not by systemctl: whatever that found in its place, it would be no namespace of ours.
    process.kill(this.#init, POWER_OFF);
    await untilGone(all, timeoutMs);
  }

  /** The words before a command that runs inside. */
  get through(): readonly string[] {
    return ['/usr/bin/nsenter', '--target', `${this.#init}`, '--mount', '--pid', '--'];
  }

  /** Runs systemctl; throws with what it says. */
  async systemctl(...args: string[]): Promise<string> {
    const [program = '', ...words] = [...this.through, 'systemctl', '--no-pager', ...args];
    return (await execa(program, words)).stdout;
  }

  /** A unit's property, as `systemctl show` tells it. */
  async property(unit: string, name: string): Promise<string> {
    return this.systemctl('show', '--value', '--property', name, unit);
  }

  /** Its main process, by the pid that it has outside. */
  async mainProcess(unit: string): Promise<ProcessInfo> {
    const inside = await this.property(unit, 'MainPID');
    const found = this.processes().find(({ pid }) => innerPid(pid) === inside);
    if (!found) throw new Error(`${unit} has no main process (${inside})`);
    return found;
  }

  /** All of its processes, itself aside. */
  processes(): ProcessInfo[] {
    return processTree(this.#unshare).filter(({ pid }) => pid !== this.#unshare && pid !== this.#init);
  }
}

/** proc_pid_status(5): the pids of a process in its namespaces, the innermost last. */
function innerPid(pid: number): string | undefined {
  try {
    return /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined; // it is gone
  }
}

/** Boots a systemd that knows these units alone: file names below /etc/systemd/system, and their text. */
export async function bootSystemd(scope: Scope, units: Readonly<Record<string, string>>): Promise<Systemd> {
  const folder = await temporaryFolder(scope, 'systemd');
  const shipped = join(folder, 'units');
  mkdirSync(join(shipped, 'etc'), { recursive: true });
  for (const target of TARGETS) {
    writeFileSync(join(shipped, `${target}.target`), '[Unit]\nDefaultDependencies=no\n');
  }
  for (const name of OF_A_SHUTDOWN) copyFileSync(join(SHIPPED, name), join(shipped, name));
  for (const [name, text] of Object.entries(units)) {
    const file = join(shipped, 'etc', name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
  }
  const name = `webui-tune-test-${process.pid}-${booted++}`;
  // Before its end is registered: the groups are empty only afterwards.
  scope.defer('control groups', () => removeGroups(name));
  const unshare = await startProcess(scope, 'unshare', [...NAMESPACES, '/bin/sh', SCRIPT, name, shipped], {
    log: join(folder, 'boot.log'),
    endSignal: 'SIGKILL',
  });
  const init = await until(
    () =>
      processTree(unshare.pid).find(
        ({ ppid, name: program }) => ppid === unshare.pid && program === 'systemd',
      ),
    { what: 'systemd runs', timeoutMs: PATIENCE_MS },
  ).catch((cause) => {
    throw new Error(`systemd did not boot\n${logTail(unshare.log)}`, { cause });
  });
  const systemd = new Systemd(unshare.pid, init.pid);
  await until(async () => (await systemd.systemctl('is-system-running').catch(saidOf)) === 'running', {
    what: 'systemd has booted',
    timeoutMs: PATIENCE_MS,
  });
  return systemd;
}

/** What systemctl said where it ended with an error: `status` and `is-system-running` do so for most states. */
export function saidOf(error: { stdout?: string }): string {
  return error.stdout ?? '';
}

async function removeGroups(name: string): Promise<void> {
  const hierarchies = [CGROUPS, ...readdirSync(CGROUPS).map((controller) => join(CGROUPS, controller))];
  for (const hierarchy of hierarchies) {
    const group = join(hierarchy, name);
    if (!existsSync(join(group, 'cgroup.procs'))) continue;
    // A group is busy for a moment after its last process has gone.
    await until(() => removeGroup(group), { what: `${group} can be removed`, timeoutMs: PATIENCE_MS });
  }
}

/** Removes the groups in it first: rmdir(2) takes empty ones alone, whatever files the kernel shows in them. */
function removeGroup(group: string): boolean {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  }
  rmdirSync(group);
  return true;
}
