/** Whether the disks have room for an upgrade, asked before anything is changed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { requireRoom } from '../../../src/setup/upgrade/room.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

it('is refused where the packages, the backup and the copy do not fit together', async () => {
  const dataDir = temporaryFolder();
  writeFileSync(join(dataDir, 'webui.db'), Buffer.alloc(3 << 20));
  const place = { settings: settingsOf({}), dataDir, python: 'python3', env: {}, services: dataDir };
  const folder = join(dataDir, 'backups', 'upgrade');
  await expect(requireRoom({ folder, download: 1e15 }, place)).rejects.toThrow(
    /^the disk of \S+ has .+ left, and the upgrade needs .+: 3 MiB for the backup of the database, 6 MiB for a copy to try it on, .+ for the packages/,
  );
  await requireRoom({ folder, download: 1 << 20 }, place);
});
