/** The rehearsal of an upgrade, on data that older versions made: Open WebUI's own migrations, on a copy of SQLite. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { clearRehearsal, outageText, rehearse } from '../../src/setup/upgrade/rehearsal.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { OLDER_VERSIONS, unpackData } from '../kit/migrate/kept-data.ts';
import { sqliteSettings } from '../kit/migrate/sqlite-server.ts';
import { settingsOf } from '../kit/settings-of.ts';
import { useScope } from '../kit/vitest.ts';

const TIMEOUT_MS = 300_000;

const scope = useScope();

/** Whoever closes the database last folds its log into it: before it is looked at. */
const FOLD =
  'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute("SELECT * FROM sqlite_master").fetchall(); c.close()';

/** Path, size and time of each file. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const { size, mtimeMs } = statSync(join(parentPath, name));
      return `${join(parentPath, name)} ${size} ${mtimeMs}`;
    })
    .sort();
}

describe('a rehearsal', () => {
  it.each(OLDER_VERSIONS)(
    'migrates a copy of data of %s, asks it, and talks to nobody',
    async (version) => {
      const upstream = await startUpstream(scope);
      const root = await temporaryFolder(scope, 'rehearsal');
      const [dataDir, folder, log] = [join(root, 'data'), join(root, 'upgrade'), join(root, 'log')];
      await unpackData(version, dataDir);
      const { python } = openWebuiEnvironment();
      await execa(python, ['-c', FOLD, join(dataDir, 'webui.db')]);
      const before = filesIn(dataDir);
      // Models are asked for while it starts, whatever the data say.
      const settings = settingsOf({
        ...sqliteSettings(upstream),
        ENABLE_BASE_MODELS_CACHE: 'true',
        RESET_CONFIG_ON_START: 'true',
      });
      const env = { PATH: process.env.PATH, HOME: root };
      const place = { settings, dataDir, folder, python, env, services: join(root, 'services') };
      const data = {
        ...{ from: version, to: '0.12.4', installed: true, changes: [], python, folder },
        rehearsal: 'webui_tune_rehearsal',
      };
      const rehearsed = await rehearse(data, { ...place, log, newVersion: async () => ({ python }) });
      process.stderr.write(`${version} → 0.12.4: ${outageText(rehearsed)}\n`);
      expect(rehearsed.asked).toEqual(['sign-in', 'chats', 'a chat', 'a document']);
      expect(rehearsed.migration).toBeGreaterThan(0);
      expect(readFileSync(log, 'utf8')).toContain('a rehearsal connects to nobody');
      expect([...upstream.requests]).toEqual([]);
      await clearRehearsal(data, place);
      expect(existsSync(join(folder, 'rehearsal'))).toBe(false);
      expect(filesIn(dataDir)).toEqual(before);
    },
    TIMEOUT_MS,
  );
});
