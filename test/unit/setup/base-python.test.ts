import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/base/errors.ts';
import { anyPythons, findBasePythons, noPython } from '../../../src/setup/python/base-python.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** A folder for PATH with commands that say they are of these versions; `broken` does not run. */
function pathWith(versions: Readonly<Record<string, string>>): string {
  const files = Object.entries(versions).map(([name, version]) => [
    `x ${name}`,
    `#!/bin/sh\n${version === 'broken' ? 'exit 127' : `echo ${version}`}\n`,
  ]);
  return temporaryFolder(Object.fromEntries(files));
}

function setupWith(PATH: string, python?: string) {
  return {
    env: { PATH },
    surroundings: { env: { PATH }, cwd: '/', home: '/' },
    remembered: { options: { ...(python !== undefined && { python }) } },
  };
}

describe('the Python that an environment is made with', () => {
  it('is one that Open WebUI runs on, by its name first; the others are told of', async () => {
    const PATH = pathWith({ python3: '3.13.1', 'python3.12': '3.12.4', 'python3.11': 'broken' });
    const { fit, unfit } = await findBasePythons(setupWith(PATH));
    expect(fit).toEqual([{ path: join(PATH, 'python3.12'), version: '3.12.4' }]);
    expect(unfit).toEqual([`${join(PATH, 'python3.11')} does not run`, `${join(PATH, 'python3')} is 3.13.1`]);
  });

  it('is 3.12 where both are there', async () => {
    const PATH = pathWith({ 'python3.11': '3.11.9', 'python3.12': '3.12.4', python3: '3.11.9' });
    const { fit } = await findBasePythons(setupWith(PATH));
    expect(fit.map(({ version }) => version)).toEqual(['3.12.4', '3.11.9', '3.11.9']);
  });

  it('is the one that the wheels are for', async () => {
    const PATH = pathWith({ 'python3.11': '3.11.2', 'python3.12': '3.12.4' });
    const wheels = { folder: '/stick', pythons: ['3.12'], manifest: undefined };
    const { fit, unfit } = await findBasePythons(setupWith(PATH), wheels);
    expect(fit.map(({ version }) => version)).toEqual(['3.12.4']);
    expect(unfit).toEqual([`${join(PATH, 'python3.11')} is 3.11.2, and the wheels are for 3.12`]);
    const about = { platform: 'linux', arch: 'x64', torch: '2.13.0+cpu', files: {} };
    const manifest = { ...about, python: '3.11', oldest: '3.11.5' };
    const later = await findBasePythons(setupWith(PATH), { folder: '/', pythons: ['3.11'], manifest });
    expect(later.unfit).toContain(
      `${join(PATH, 'python3.11')} is 3.11.2, and the wheels need 3.11.5 or a later 3.11`,
    );
    const suits = await findBasePythons(setupWith(PATH), {
      ...{ folder: '/', pythons: ['3.11'] },
      manifest: { ...manifest, oldest: '3.11.2' },
    });
    expect(suits.fit.map(({ version }) => version)).toEqual(['3.11.2']);
  });

  it('is the named one, and no other', async () => {
    const PATH = pathWith({ 'python3.12': '3.12.4', python3: '3.13.0' });
    const { fit, unfit } = await findBasePythons(setupWith(PATH, 'python3'));
    expect([fit, unfit]).toEqual([[], [`${join(PATH, 'python3')} is 3.13.0`]]);
  });

  it('may be brought by any Python 3', async () => {
    const PATH = pathWith({ 'python3.13': '3.13.0', python: '2.7.18', 'python3.9': '3.9.1' });
    expect((await anyPythons({ PATH })).map(({ version }) => version)).toEqual(['3.13.0', '3.9.1']);
    expect(await anyPythons({ PATH: '' })).toEqual([]);
  });

  it('is missed with what there is, what was tried, and what helps', () => {
    const none = noPython([], []);
    expect(none.message).toBe('Open WebUI needs Python 3.11 or 3.12: no Python on PATH');
    const error = noPython(['/p is 3.13.1'], ['uv python install 3.12: error\n  cause: 404']);
    expect(error.message).toBe(
      'Open WebUI needs Python 3.11 or 3.12: /p is 3.13.1; tried to get one:\n' +
        '  uv python install 3.12: error\n      cause: 404',
    );
    expect(error.exitCode).toBe(EXIT.openWebui);
    expect(error.mend.join('\n')).toMatch(/apt install.*\n.*UV_PYTHON_INSTALL_MIRROR/);
  });
});
