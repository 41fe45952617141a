import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { App } from '../../render/apps.ts';
import type { Pm2 } from './client.ts';

/** Starts one app that is in no ecosystem file: by a file in `folder` that is gone afterwards. */
export async function startApp(pm2: Pm2, folder: string, app: App): Promise<void> {
  const file = join(folder, `.${app.name}.${process.pid}.config.cjs`);
  try {
    writeFileSync(file, `module.exports = ${JSON.stringify({ apps: [app] })};\n`, { mode: 0o600 });
    await pm2.run('start', file);
  } finally {
    rmSync(file, { force: true });
  }
}
