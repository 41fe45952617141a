/** The rendered units against systemd's own `systemd-analyze`; they are not started. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type ExecaError, execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { makePlan } from '../../src/plan/index.ts';
import { renderUnits, UNITS } from '../../src/render/systemd/index.ts';
import { ROOT } from '../kit/environment.ts';
import { inputOf } from '../kit/inputs.ts';

/** Exposure that must not be exceeded, times ten. */
const MOST_EXPOSURE = 30;

const version = await execa('systemd-analyze', ['--version']).then(
  ({ stdout }) => stdout.split('\n')[0],
  () => undefined,
);
if (!version)
  process.stderr.write('skipped: systemd’s own checks. systemd-analyze is missing (package systemd)\n');

const folder = mkdtempSync(join(tmpdir(), 'webui-tune-units-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { places } = inputOf();
// What a unit starts has to be there, or systemd finds fault with it.
const here = { ...places, python: process.execPath, runtime: join(ROOT, 'dist', 'runtime'), dataDir: folder };
const { username: user } = userInfo();
const range = { value: 4, least: 1, from: '--workers 1..4', source: 'flag' } as const;
const units = renderUnits(makePlan(inputOf({ places: here, metricsPort: 9464, workers: range })), {
  node: process.execPath,
  user,
});

/** Writes the units, one of them changed; returns their paths, the template by an instance. */
function written(change: (name: string, text: string) => string = (_, text) => text): string[] {
  for (const { name, text } of units) writeFileSync(join(folder, name), change(name, text));
  const { target, worker: _, ...others } = UNITS;
  return [target, 'open-webui@1.service', ...Object.values(others)].map((name) => join(folder, name));
}

async function complaint(args: readonly string[]): Promise<string | undefined> {
  try {
    await execa('systemd-analyze', args, { all: true });
    return undefined;
  } catch (error) {
    return (error as ExecaError<{ all: true }>).all || String(error);
  }
}

const verify = (paths: readonly string[]) =>
  complaint(['verify', '--man=no', '--recursive-errors=yes', ...paths]);

describe.skipIf(!version)(`systemd-analyze (${version})`, () => {
  it('finds nothing wrong', async () => expect(await verify(written())).toBeUndefined());

  it.each(units.filter(({ name }) => name.endsWith('.service')))(
    'finds $name hardened',
    async ({ name, text }) => {
      // Without an instance a template cannot be looked at.
      const path = join(folder, name.replace('@.', '@2.'));
      writeFileSync(path, text.replace(`User=${user}\n`, 'User=openwebui\n'));
      expect(
        await complaint(['security', '--offline=yes', `--threshold=${MOST_EXPOSURE}`, path]),
      ).toBeUndefined();
      writeFileSync(path, text.replaceAll(/^(?:Restrict|Protect|System|Cap)\w+=.*\n/gm, ''));
      expect(
        await complaint(['security', '--offline=yes', `--threshold=${MOST_EXPOSURE}`, path]),
      ).toBeDefined();
    },
  );

  it.each<[string, RegExp, string, string]>([
    ['an unknown key', /Memorymax/, 'MemoryMax=', 'Memorymax='],
    ['a section that is none', /Servce/, '[Service]', '[Servce]'],
    ['a type that is none', /notfy/, 'Type=notify', 'Type=notfy'],
    ['a size that is none', /Invalid memory limit/, 'MemoryMax=', 'MemoryMax=x'],
    ['a duration that is none', /TimeoutStartSec/, 'TimeoutStartSec=', 'TimeoutStartSec=x'],
    ['a program that is not there', /not executable|No such file/, 'ExecStart=', 'ExecStart=/nowhere'],
    [
      'a system call that is none',
      /no-such-call/,
      'SystemCallFilter=@system-service',
      'SystemCallFilter=@no-such-call',
    ],
  ])('finds %s', async (_, fault, part, wrong) => {
    const paths = written((name, text) => (name === UNITS.preload ? text.replace(part, wrong) : text));
    expect(await verify(paths)).toMatch(fault);
  });
});
