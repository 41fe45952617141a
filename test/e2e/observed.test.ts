/** A plan that corrects itself: what the running tree shows, what the next plan makes of it, and what the doctor says. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { traffic, treePss } from '../../bench/measure.ts';
import { MIB } from '../../src/base/units.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { examine } from '../kit/doctor.ts';
import { CLI, sharedCache } from '../kit/environment.ts';
import { keepTooLittle } from '../kit/too-little.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const START_TIMEOUT_MS = 600_000;

const scope = useScope();

async function writePlan({ folder, args, ecosystemFile }: Cluster): Promise<void> {
  await execa(process.execPath, [CLI, ...args, '--out', ecosystemFile, '--force'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: join(folder, 'home'),
      LANG: 'C.UTF-8',
      XDG_CACHE_HOME: sharedCache(),
    },
    extendEnv: false,
  });
}

/** Off by so much, as a share of what was measured; the figures go to the log. */
function differenceOf(what: string, predicted: number, measured: number): number {
  const difference = predicted / measured - 1;
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
  process.stderr.write(
    `${what}: predicted ${mib(predicted)}, measured ${mib(measured)}, ${(100 * difference).toFixed(1)} %\n`,
  );
  return Math.abs(difference);
}

it(
  'is within 15 % before anything has run here, within 5 % the next time, and the doctor tells when it is not',
  async () => {
    const cluster = await planCluster(scope, { workers: WORKERS, embeddings: 'local' });
    const first = await planOf(cluster);
    expect(first.memory).toMatchObject({ level: 'full', embedsLocally: true });
    expect(first.memory.measuredAt).toBeUndefined();
    keepTooLittle(join(cluster.folder, 'home'), first);
    await writePlan(cluster);
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await traffic(cluster);
    const measured = treePss(cluster.processes()) * MIB;
    expect(differenceOf('first start', first.memory.predicted, measured)).toBeLessThan(0.15);

    // The file was made with figures that are wrong, and the mend is to make it with what was seen.
    const [found] = (await examine(cluster)).of('machine.memory');
    expect(found?.verdict).toBe('warning');
    expect(found?.found).toMatch(
      /: preload \d+ MiB \(planned 300 MiB\); 2 workers \d+ MiB, the largest \d+ MiB/,
    );
    expect(found?.mend.join()).toContain(`webui-tune --out ${cluster.ecosystemFile} --force`);
    await writePlan(cluster);
    expect((await examine(cluster)).of('machine.memory')[0]).toMatchObject({ verdict: 'ok' });

    const socket = await cluster.controlSocket();
    await cluster.untilObserved();
    const second = await planOf(cluster);
    expect(second.memory.source).toMatch(/^observed on this machine on \d{4}-\d\d-\d\d$/);
    await cluster.pm2.run('delete', APPS.cluster, APPS.preload);
    await writePlan(cluster);
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await traffic(cluster);
    const again = treePss(cluster.processes()) * MIB;
    expect(differenceOf('second start', second.memory.predicted, again)).toBeLessThan(0.05);
    expect((await examine(cluster)).of('machine.memory')[0]).toMatchObject({ verdict: 'ok' });

    // Half a file breaks no plan.
    writeFileSync(join(dirname(socket), 'observed-preload.json'), '{"at": "2026-');
    const { memory, warnings } = await planOf(cluster);
    expect(memory.source).toMatch(/^observed on this machine/);
    expect(warnings.filter((text) => text.includes('observed-preload.json is not used'))).toHaveLength(1);
  },
  START_TIMEOUT_MS,
);
