import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_FOLDER } from '../contract.ts';
import type { ServingInstance } from './look.ts';
import type { Manager } from './manager.ts';

/**
 * systemd: the units `open-webui@1` to `open-webui@N` run. This process may not start units, because it runs as the user of
 * the services. It writes N, and a unit of root's starts those and stops the others (render/systemd/scale.ts).
 */
export function systemdManager(folder: string): Manager {
  const last = (serving: readonly ServingInstance[]) =>
    serving.toSorted((a, b) => Number(b.instance) - Number(a.instance))[0];

  async function write(count: number): Promise<undefined> {
    writeFileSync(join(folder, RUN_FOLDER.workers), `${count}\n`, { mode: 0o600 });
  }

  return {
    leaving: last,
    grow: (serving) => write(serving.length + 1),
    shrink: (serving) => write(serving.length - 1),
    // The supervisors show it.
    underWay: () => undefined,
  };
}
