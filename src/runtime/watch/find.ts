import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { processesWith } from '../../base/machine/processes.ts';
import { ENV } from '../contract.ts';

/** Of the programs with the control socket in their environment, those that run Open WebUI. */
const PYTHON = /\/(?:preload|serve)\.py$/;

/** Control sockets of the clusters that run on this machine and that we may see. */
export function runningClusters(): string[] {
  const entry = `${ENV.controlSocket}=`;
  const sockets = processesWith('/', entry).flatMap(({ pid, command }) => {
    if (!command.some((word) => PYTHON.test(word))) return [];
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return variables.flatMap((text) => (text.startsWith(entry) ? [text.slice(entry.length)] : []));
    } catch {
      return []; // gone meanwhile
    }
  });
  // The path of a cluster in a container means nothing here.
  return [...new Set(sockets)].filter((path) => existsSync(dirname(path))).sort();
}

/**
 * The control socket of the cluster to watch. Where several run, `ofFile` is asked for the one that an ecosystem file names.
 * Throws TuneError where none runs, or it cannot tell which is meant.
 */
export async function chooseCluster(ofFile: () => Promise<string | undefined>): Promise<string> {
  if (process.platform !== 'linux') {
    throw new TuneError('top and metrics read /proc, which Linux alone has', EXIT.service);
  }
  const running = runningClusters();
  if (running.length === 0) {
    throw new TuneError('no cluster of webui-tune runs here, or it is another user’s', EXIT.service, [
      'start it: webui-tune up, or pm2 start ecosystem.config.js',
    ]);
  }
  if (running.length === 1 && running[0] !== undefined) return running[0];
  const here = await ofFile();
  if (here !== undefined && running.includes(here)) return here;
  throw new TuneError(
    `${running.length} clusters run here:\n${running.map((path) => `  ${path}`).join('\n')}`,
    EXIT.usage,
    ['name the ecosystem file of one: webui-tune top /path/to/ecosystem.config.js'],
  );
}
