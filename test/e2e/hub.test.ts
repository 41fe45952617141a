/** Hugging Face that is not there at first: once it is there, the model comes and nobody notices. */
import { afterEach, describe, expect, it } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { untilGone } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { missingModels } from '../../src/runtime/models-state.ts';
import {
  findInDocument,
  MODEL,
  modelsOf,
  placeModel,
  planWithModel,
  startBlackHole,
  startHub,
} from '../kit/hub.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { startUvicorn, untilUvicornServes } from '../kit/uvicorn.ts';

const WORKERS = 2;
const TIMEOUT_MS = 600_000;

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

describe('a hub that is not there at first', () => {
  it(
    'is asked again: the model comes, the workers are replaced, and no request fails',
    async () => {
      const port = await freePort();
      const home = await temporaryFolder(scope, 'hf');
      const cluster = await planWithModel(scope, `http://127.0.0.1:${port}`, home, { workers: WORKERS });
      await cluster.pm2.start(cluster.ecosystemFile);
      await cluster.untilServing(WORKERS);
      await expect(findInDocument(cluster)).rejects.toThrow();
      const [line = 'none'] = missingModels((await modelsOf(cluster)) ?? expect.fail('no state'));
      expect(await cluster.preloadLog()).toContain(line);
      expect(line).toContain('the connection is refused');

      const preload = (await cluster.preload()).pid;
      const before = cluster.pythonWorkers();
      const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
      const url = `${cluster.url}/api/v1/chats/?page=1`;
      // They pause: the import beside them needs the processor.
      const load = startLoad({ url, headers: ui.headers, connections: 12, pauseMs: 200 });
      await load.proceed(50);
      await startHub(scope, { port });
      await untilGone(before, PATIENCE_MS);
      await load.proceed(50);
      const report = await load.stop();
      await cluster.untilServing(WORKERS);
      process.stderr.write(`model fetched later: ${report.answered} requests, ${report.failed} failed\n`);
      expect(report.failures).toEqual([]);
      expect(report.answered).toBeGreaterThan(100);

      const log = await cluster.preloadLog();
      expect(log).toContain('MiB');
      expect(log).toContain(`loaded the embedding model ${MODEL} for all workers`);
      expect(await findInDocument(cluster)).toContain('Mara Quill');
      expect(await modelsOf(cluster)).toMatchObject({ offline: false, models: [{ here: true }] });
      const after = await cluster.preload();
      expect(after.pid).toBe(preload);
      expect(after.pm2_env).toMatchObject({ status: 'online', restart_time: 0 });
    },
    TIMEOUT_MS,
  );
});

describe('without the preload process', () => {
  it(
    "Open WebUI's own workers: the same, and where the model is missing, that it is not asked for again",
    async () => {
      const hole = await startBlackHole(scope);
      const home = await temporaryFolder(scope, 'hf');
      const cluster = await planWithModel(scope, hole, home, { workers: 1, args: ['--runtime', 'uvicorn'] });
      const started = performance.now();
      await startUvicorn(cluster, 1);
      process.stderr.write(`uvicorn serves after ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
      expect(await modelsOf(cluster)).toMatchObject({
        offline: true,
        nextAttemptAt: null,
        models: [{ here: false, reason: expect.stringContaining('at the next start of Open WebUI only') }],
      });
      await placeModel(home);
      await cluster.pm2.restart(APPS.cluster);
      await untilUvicornServes(cluster, 1);
      expect(await findInDocument(cluster)).toContain('Mara Quill');
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '500');
      expect(logs).not.toMatch(/Retrying in|MaxRetryError|ConnectTimeout/);
    },
    TIMEOUT_MS,
  );
});
