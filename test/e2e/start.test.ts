/** `npm start -- --wheels DIR` where DIR is on a disk that nobody can write, as a CD is. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { ROOT } from '../kit/environment.ts';
import { useScope } from '../kit/vitest.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write('skipped: wheels on a read-only disk. This is no root, who can mount one\n');

const scope = useScope();

/** An npm that wants to write its cache, and says what it was told. */
const NPM = `#!/bin/sh
[ "$1" = run ] && exit 0
while [ "$1" != --cache ]; do shift; done
touch "$2/_logs" && cat "$2/content" >&2
`;

it.skipIf(!isRoot)('gives npm a cache that it can write', async () => {
  const folder = await temporaryFolder(scope, 'start');
  const [clone, stick, bin] = ['clone', 'stick', 'bin'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const made of [join(clone, 'scripts'), join(clone, 'dist'), join(stick, 'npm'), bin]) {
    mkdirSync(made, { recursive: true });
  }
  copyFileSync(join(ROOT, 'scripts', 'start.mjs'), join(clone, 'scripts', 'start.mjs'));
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  writeFileSync(join(clone, 'dist', 'cli.js'), 'console.log(process.argv.slice(2).join(" "))');
  writeFileSync(join(stick, 'npm', 'content'), 'what fetch put there\n');
  writeFileSync(join(bin, 'npm'), NPM);
  chmodSync(join(bin, 'npm'), 0o755);
  const script = `mount --bind ${stick} ${stick} && mount -o remount,bind,ro ${stick} && exec "$@"`;
  const start = [process.execPath, join(clone, 'scripts', 'start.mjs'), '--wheels', stick];
  const { stdout, stderr } = await execa('unshare', ['--mount', 'sh', '-c', script, 'sh', ...start], {
    env: { PATH: `${bin}:${process.env.PATH}` },
  });
  expect(stderr).toContain('what fetch put there');
  expect(stdout).toBe(`up --wheels ${stick}`);
});
