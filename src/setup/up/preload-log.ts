import { join } from 'node:path';
import { statOrUndefined } from '../../base/io/stat.ts';
import { APPS } from '../../runtime/contract.ts';
import { endOf } from '../pm2/logs.ts';

/** Before each line of the preload process's own, beside those of Open WebUI (webui_preload/log.py). */
const PREFIX = '[preload] ';

export interface PreloadLog {
  /** What the preload process has said last; undefined: nothing yet. */
  lastWord(): string | undefined;
}

/** Follows what the preload process says from now on, in the files that PM2 gives its log by default. */
export function followPreload(pm2Home: string): PreloadLog {
  const logs = ['out', 'error'].map((name) => {
    const path = join(pm2Home, 'logs', `${APPS.preload}-${name}.log`);
    return { path, from: statOrUndefined(path)?.size ?? 0 };
  });
  return {
    lastWord() {
      const said = logs.flatMap(({ path, from }) => {
        const line = endOf(path, { from, lines: Number.POSITIVE_INFINITY })
          .split('\n')
          .findLast((text) => text.startsWith(PREFIX));
        return line === undefined ? [] : [{ line, at: statOrUndefined(path)?.mtimeMs ?? 0 }];
      });
      const last = said
        .sort((a, b) => a.at - b.at)
        .at(-1)
        ?.line.slice(PREFIX.length);
      // How it was loaded is for the log.
      return last?.includes(': preloaded ') ? 'Open WebUI is loaded; the first worker starts' : last;
    },
  };
}
