import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../../src/base/io/wait.ts';
import { runScript } from '../../../src/render/helm/cluster.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const TIMEOUT_MS = 20_000;

/** In the place of PM2: says that it runs, and ends with 2 as soon as it is asked to, as pm2-runtime does where its apps have taken some seconds to end. */
const FAKE = `#!/bin/bash
trap 'touch ended; exit 2' TERM
touch running
while :; do sleep 0.05; done
`;

/** The shell with that PM2, and with one worker that is there until its file is removed. */
function start(serveSeconds: number) {
  const folder = temporaryFolder({ 'x pm2': FAKE, comm: 'webui-worker\n' });
  const script = runScript(join(folder, 'pm2'), serveSeconds).replace(
    '/proc/[0-9]*/comm',
    join(folder, 'comm'),
  );
  const shell = spawn('bash', ['-ec', script], { cwd: folder, stdio: 'ignore' });
  const exit = once(shell, 'exit') as Promise<[number | null]>;
  const has = (name: string) => existsSync(join(folder, name));
  const untilThere = (name: string) => until(() => has(name), { what: name, timeoutMs: TIMEOUT_MS });
  return { shell, exit, has, untilThere, endWorker: () => rmSync(join(folder, 'comm')) };
}

describe('runScript', () => {
  it('stays until the last worker has ended, though PM2 has ended before', async () => {
    const { shell, exit, untilThere, endWorker } = start(0);
    await untilThere('running');
    shell.kill('SIGTERM');
    await untilThere('ended');
    expect(shell.exitCode).toBeNull();
    endWorker();
    expect(await exit).toEqual([2, null]);
  });

  it('lets the workers serve for a while before PM2 hears that it is to end', async () => {
    const { shell, exit, has, untilThere, endWorker } = start(1);
    await untilThere('running');
    const from = performance.now();
    shell.kill('SIGTERM');
    await untilThere('ended');
    expect(performance.now() - from).toBeGreaterThan(900);
    expect(has('comm')).toBe(true);
    endWorker();
    expect(await exit).toEqual([2, null]);
  });
});
