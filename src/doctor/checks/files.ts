import { formatBytes, GIB } from '../../base/units.ts';
import { check, error, type Finding, note, ok, skipped, warning } from '../check.ts';
import type { PrivateFile } from '../read/files.ts';

/** Bytes below which uploads and logs soon fill the disk. */
const LEAST_FREE = 2 * GIB;
/** Bytes at which nothing can be written any more. */
const LEAST_AT_ALL = GIB / 8;

/** Permission for everybody to write. The runtime refuses an env file that has it. */
const OTHERS_WRITE = 0o002;

export const fileChecks = [
  check({
    id: 'files.env-file',
    title: 'Nobody else reads your settings',
    why: 'whoever can read the env file has the database’s password; the runtime refuses one that everybody may write',
    source: 'src/runtime/preload/webui_preload/envfile.py',
    needs: ['files'],
    run: ({ files: { envFile } }) => (envFile ? privacy(envFile) : ok('there is no env file')),
  }),
  check({
    id: 'files.secrets',
    title: 'Nobody else reads the secrets',
    why: 'with WEBUI_SECRET_KEY anybody can sign in as anybody',
    source: 'docs/operations.md, Files',
    needs: ['files'],
    run: ({ files: { secrets, keys } }) => allPrivate([secrets, ...keys]),
  }),
  check({
    id: 'files.dump',
    title: 'Nobody else reads what PM2 saves',
    why: 'pm2 save writes the whole environment of each app, including the shell’s secrets, for everybody to read',
    source: 'pm2/lib/API/Startup.js; Unitech/pm2#5190',
    needs: ['files'],
    run: ({ files: { dumps } }) => allPrivate(dumps),
  }),
  check({
    id: 'files.run-folder',
    title: 'Nobody else can use the control socket',
    why: 'whoever can connect to it can start and stop workers',
    source: 'src/runtime/preload/webui_preload/generation.py',
    needs: ['files'],
    run: ({ files: { runFolder } }) => privacy(runFolder),
  }),
  check({
    id: 'files.stale',
    title: 'Earlier runs have left nothing behind',
    why: 'a crash of the machine leaves folders that take up disk space; nothing breaks',
    source: 'src/runtime/preload/webui_preload/generation.py',
    needs: ['files'],
    run: ({ files: { stale } }) => {
      if (!stale) return skipped('not looked for while the cluster runs');
      if (stale.length === 0) return ok('nothing is');
      return stale.map((path) => ({
        ...note(`nobody uses ${path} any more`, `rm -r ${path}`),
        fix: { kind: 'remove', path },
      }));
    },
  }),
  check({
    id: 'files.room',
    title: 'There is disk space for uploads',
    why: 'on a full disk uploads, logs and the database stop at once',
    source: 'an estimate: 2 GiB are a few hundred documents with their vectors',
    needs: ['files'],
    run: ({ files: { dataDir } }) => {
      const found = `${formatBytes(dataDir.freeBytes)} are free for ${dataDir.path}`;
      if (dataDir.freeBytes >= LEAST_FREE) return ok(found);
      const mend = 'make room, or move DATA_DIR to a larger disk (with everything stopped)';
      return dataDir.freeBytes < LEAST_AT_ALL ? error(found, mend) : warning(found, mend);
    },
  }),
];

/** Reports the files that others may read; one line where there are none. */
function allPrivate(files: readonly PrivateFile[]): readonly Finding[] {
  const findings = files.map(privacy);
  const open = findings.filter(({ verdict }) => verdict !== 'ok');
  return open.length > 0 ? open : [ok(findings.map(({ found }) => found).join('; '))];
}

function privacy({ path, what, mode, wanted }: PrivateFile): Finding {
  if (mode === undefined) return ok(`${what} (${path}): not there yet`);
  const shown = `0${mode.toString(8)}`;
  if ((mode & 0o077) === 0) return ok(`${path} is ${shown}`);
  const command = `chmod ${wanted.toString(8)} ${path}`;
  const found = `${path} (${what}) is ${shown}`;
  const finding =
    (mode & OTHERS_WRITE) !== 0
      ? error(`${found}: everybody can change it`, command)
      : warning(`${found}: others can read it`, command);
  return { ...finding, fix: { kind: 'chmod', path, mode: wanted } };
}
