/** A black hole in the place of a server: the kernel drops its packets, and nobody is told. */

import { execFileSync } from 'node:child_process';
import { execa } from 'execa';
import type { Scope } from '../src/base/io/scope.ts';
import { onEmergency } from '../src/base/io/started.ts';

/** Drops all packets from and to a port of this machine. The returned function, or the end of the scope, lets them pass. */
export async function dropPackets(scope: Scope, port: number): Promise<() => Promise<void>> {
  if (process.getuid?.() !== 0) throw new Error('this event drops packets, which needs root');
  const rules = ['--dport', '--sport'].map((side) => ['INPUT', '-p', 'tcp', side, `${port}`, '-j', 'DROP']);
  // iptables has a lock of its own, for which -w waits.
  const remove = (rule: string[]) => ['-w', '-D', ...rule];
  const left = new Set<string[]>();
  const cancel = onEmergency(() => {
    for (const rule of left) execFileSync('iptables', remove(rule), { stdio: 'ignore' });
  });
  const pass = async () => {
    for (const rule of [...left]) {
      await execa('iptables', remove(rule));
      left.delete(rule);
    }
    cancel();
  };
  scope.defer(`the black hole at port ${port}`, pass);
  for (const rule of rules) {
    await execa('iptables', ['-w', '-I', ...rule]).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause;
      throw new Error('this event drops packets: apt-get install iptables', { cause });
    });
    left.add(rule);
  }
  return pass;
}
