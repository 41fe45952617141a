import { join } from 'node:path';
import type { Progress } from '../../base/io/progress.ts';
import { keepSecrets } from '../../tune/secrets/secrets-file.ts';
import type { Tuned } from '../../tune/tuned.ts';
import { removeApps } from '../up/cluster.ts';
import { runningServiceStepsOf, stepsOf } from '../up/index.ts';
import { modelStep } from '../up/model.ts';
import { serviceOf } from '../up/service.ts';
import type { Setup } from '../up/setup.ts';
import { makeDatabase } from '../up/start-services.ts';
import { runSteps, type Step } from '../up/step.ts';
import { askToEmbedAgain } from './embed-again.ts';
import { copyFiles } from './files.ts';
import { copyOf, type EmbedAgain, type MigrateData, type Migration } from './job.ts';
import {
  Copied,
  Prepared,
  Snapshot,
  VectorsCopied,
  VectorsMade,
  VectorsVerified,
  Verified,
} from './messages.ts';
import { pointAtPostgres, pointAtSqlite } from './pointing.ts';
import { showProgress } from './progress-text.ts';
import { askPython, type PythonHalf } from './python-half.ts';
import { relocateUploads } from './relocate.ts';
import { signatureOf } from './source.ts';
import { findOldServers, startOldServers, stopOldServers } from './stop-old.ts';
import { SERVICES, type Target, targetOf, valuesOf } from './target.ts';
import { ofCollections, ofTables } from './verification.ts';

/** How a migration talks to people. */
export interface Talk {
  tell: (text: string) => void;
  progress: Progress;
  /** Asks the user to stop what we cannot; undefined: nobody is there. */
  askToStop?: ((commands: readonly string[]) => Promise<void>) | undefined;
}

/** What a migration of this installation works with. `key`: that of the old server, to be kept before it is stopped. */
export function migrationOf(setup: Setup, talk: Talk, key?: string): Migration {
  const run = (steps: readonly Step[]) => runTold(steps, talk);
  const service = serviceOf(setup);
  return {
    services: {
      start: () => startServices(setup, run, key),
      stop: (ran) => stopServices(setup, ran),
    },
    old: {
      find: (source) => findOldServers(setup, source),
      stop: (servers, source) => stopOldServers(setup, servers, source, talk.askToStop),
      start: (servers) => startOldServers(setup, servers),
    },
    data: dataOf(setup, talk),
    files: async ({ dataDir }) => copyFiles(dataDir, (await setup.tuned()).plan.places.dataDir),
    relocate: async () => {
      const tuned = await setup.tuned();
      return relocateUploads(targetOf(setup, tuned), tuned.plan.places.dataDir);
    },
    signature: signatureOf,
    settings: {
      point: (data) => pointAtPostgres(setup, data),
      pointBack: () => pointAtSqlite(setup),
    },
    service: {
      stop: service.stop,
      start: async () => {
        setup.isMigrating = false;
        setup.changed();
        await run(stepsOf(setup));
      },
    },
    embedAgain: (what) => embedAgain(setup, what, talk.tell),
  };
}

function runTold(steps: readonly Step[], { tell, progress }: Talk): Promise<void> {
  return runSteps(
    steps,
    ({ name, text, state }) => {
      progress.end();
      if (state !== 'right') tell(`${name}: ${text}`);
    },
    (step, text) => progress.tell({ step: step.name, text }),
  ).finally(() => progress.end());
}

/** Everything that does not need the old server stopped: also the model, which may have to be downloaded. */
async function startServices(
  setup: Setup,
  run: (steps: readonly Step[]) => Promise<void>,
  key: string | undefined,
): Promise<void> {
  setup.isMigrating = true;
  setup.changed();
  await run(runningServiceStepsOf(setup));
  const { plan } = await setup.tuned();
  await makeDatabase(setup, setup.wanted(plan));
  if (key !== undefined) {
    const settings = new Map([['WEBUI_SECRET_KEY', key]]);
    await keepSecrets(plan.places.secretsFile, { settings, once: new Map() });
    setup.changed();
  }
  await run([modelStep(setup)]);
}

async function stopServices(setup: Setup, ran: readonly string[]): Promise<void> {
  setup.isMigrating = false;
  setup.changed();
  const started = SERVICES.filter((name) => !ran.includes(name));
  await removeApps(setup.plainPm2(), started);
  setup.changed();
}

interface Asked {
  target: Target;
  env: Record<string, string>;
  half: PythonHalf;
}

function dataOf(setup: Setup, { progress }: Talk): Migration['data'] {
  /** What is done beside each other, in the order in which it began. */
  const running = new Set<string>();
  const ask = async <T>(name: string, data: MigrateData, work: (asked: Asked) => Promise<T>): Promise<T> => {
    const tuned: Tuned = await setup.tuned();
    const half = {
      python: tuned.plan.places.python,
      env: setup.env,
      onProgress: showProgress(progress, name, () => [...running][0] === name),
    };
    const env = { ...valuesOf(tuned.settings), ...vectorStore(data) };
    running.add(name);
    try {
      return await work({ target: targetOf(setup, tuned), env, half });
    } finally {
      running.delete(name);
      progress.end(name);
    }
  };
  const vectorsRequest = ({ env, target }: Asked, { dataDir, folder }: MigrateData) => ({
    env,
    folder: join(dataDir, 'vector_db'),
    target: target.url,
    work: join(folder, 'vectors'),
  });
  return {
    snapshot: (data, copy) =>
      ask('copy of the file', data, async ({ env, half }) => {
        const request = { source: data.source, copy, env };
        await askPython('upgrade-copy', request, Snapshot, half);
      }),
    prepare: (data) =>
      ask('new database', data, async ({ target, env, half }) => {
        const request = { target: target.url, schema: target.schema, env };
        await askPython('prepare', request, Prepared, half);
        const table = { env, target: target.url, indexes: false };
        if (data.hasVectors) await askPython('vectors-make', table, VectorsMade, half);
      }),
    copy: (data, source, pass) =>
      ask('tables', data, async ({ target: { url, schema }, half }) => {
        const base = pass === 2 && { base: copyOf(data) };
        const request = { source, ...base, target: url, schema, pass, report: reportOf(data) };
        const { findings } = await askPython('copy', request, Copied, half);
        return findings;
      }),
    copyVectors: (data, pass) =>
      ask('vectors', data, async (asked) => {
        const report = join(data.folder, 'vectors-report.jsonl');
        const request = { ...vectorsRequest(asked, data), pass, report };
        const copied = await askPython('vectors-copy', request, VectorsCopied, asked.half);
        return { requests: copied.reindex, lost: copied.lost };
      }),
    indexVectors: (data) =>
      ask('vectors', data, async ({ target, env, half }) => {
        const indexes = { env, target: target.url, indexes: true };
        await askPython('vectors-make', indexes, VectorsMade, half);
      }),
    verifyTables: (data, source) =>
      ask('tables', data, async ({ target: { url, schema }, half }) =>
        ofTables(await askPython('verify', { source, target: url, schema }, Verified, half)),
      ),
    verifyVectors: (data) =>
      ask('vectors', data, async (asked) =>
        ofCollections(
          await askPython('vectors-verify', vectorsRequest(asked, data), VectorsVerified, asked.half),
        ),
      ),
  };
}

/** Where the report on what could not be carried as it is will be. */
export function reportOf({ folder }: Pick<MigrateData, 'folder'>): string {
  return join(folder, 'report.jsonl');
}

/** The old store is Chroma, whatever is set for the new one. */
function vectorStore({ hasVectors, vectorSettings }: MigrateData): Record<string, string> {
  return hasVectors ? { VECTOR_DB: 'chroma', ...vectorSettings } : {};
}

async function embedAgain(setup: Setup, what: EmbedAgain, tell: (text: string) => void): Promise<void> {
  for (const name of what.lost) {
    tell(
      `collection ${name} was not carried, and Open WebUI cannot embed it again: its text is nowhere else`,
    );
  }
  if (what.requests.length === 0) return;
  tell('Open WebUI embeds again what could not be carried');
  const tuned = await setup.tuned();
  const key = tuned.settings.get('WEBUI_SECRET_KEY')?.value ?? '';
  const server = { plan: tuned.plan, target: targetOf(setup, tuned), key };
  for (const failure of await askToEmbedAgain(server, what)) tell(`not embedded again: ${failure}`);
}
