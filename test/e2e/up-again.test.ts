/** `webui-tune up` where the tree takes more than its budget. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { settingsFor, startServices } from '../kit/services.ts';
import { keepTooLittle } from '../kit/too-little.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const START_TIMEOUT_MS = 600_000;

const scope = useScope();

it(
  'plans again at once, and once',
  async () => {
    const services = await startServices(scope, createMigratedDatabase);
    const installation = await Installation.prepare(scope);
    await installation.writeSettings(settingsFor(services, 'local'));
    const { stdout } = await installation.run(
      '--json',
      ...['--python', openWebuiEnvironment().python],
      ...['--env-file', join(installation.folder, 'open-webui.env')],
    );
    keepTooLittle(installation.home, JSON.parse(stdout));
    const up = () => installation.up('--workers', `${WORKERS}`, '--memory', '1000MiB');
    const first = await up();
    process.stderr.write(first.stderr);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(
      /planned again with what was observed: the tree took [\d.,]+ \wiB of a budget of/,
    );
    expect(first.stderr.match(/^.*planned again with what was observed/gm)).toHaveLength(1);
    expect((await installation.processes()).get(APPS.cluster)).toHaveLength(1);
    const pids = await installation.workerPids();
    const second = await up();
    expect(second.code).toBe(0);
    expect(await installation.workerPids()).toEqual(pids);
  },
  START_TIMEOUT_MS,
);
