import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findOpenWebui } from '../../../src/facts/openwebui/find.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('findOpenWebui', () => {
  const question = { envFile: undefined, dataDirs: [], secretsName: '.x' };
  const answer = (about: string) =>
    `#!/bin/sh\ncat > /dev/null\necho '{"python":"3.11.0","executable":"x","package":${about}}'\n`;
  const about = (version: string) =>
    `{"version":"${version}","folder":"/f","requires_python":null,"python_supported":true,"drivers":{},"torch":"none"}`;
  const surroundings = (folder: string) => ({ env: { PATH: '/usr/bin:/bin' }, cwd: folder, home: folder });

  it('takes the first interpreter that has it', async () => {
    const folder = temporaryFolder({
      'x .venv/bin/python': answer('null'),
      'x venv/bin/python': answer(about('0.12.4')),
    });
    const found = await findOpenWebui(undefined, question, surroundings(folder));
    expect(found).toMatchObject({ python: join(folder, 'venv/bin/python'), where: './venv' });
  });

  it('lists where it looked when there is none', async () => {
    const folder = temporaryFolder({
      'x .venv/bin/python': answer('null'),
      'x venv/bin/python': answer(about('0.5.0')),
    });
    const error = findOpenWebui(undefined, question, surroundings(folder));
    await expect(error).rejects.toThrow('./.venv: Open WebUI is not installed');
    await expect(error).rejects.toThrow('./venv: Open WebUI 0.5.0 is too old');
    await expect(error).rejects.toThrow(expect.objectContaining({ exitCode: 3 }));
  });

  it('tries nothing else where --python says which', async () => {
    const folder = temporaryFolder({
      'x .venv/bin/python': answer(about('0.12.4')),
      'x other': answer('null'),
    });
    await expect(findOpenWebui('other', question, surroundings(folder))).rejects.toThrow('is not installed');
  });

  it.each([
    ['#!/bin/sh\nexit 3\n', 'exit code 3'],
    ['#!/bin/sh\necho "SyntaxError: bad" >&2; exit 1\n', 'SyntaxError: bad'],
    ['#!/bin/sh\necho hello\n', 'does not answer as a Python interpreter'],
    ['#!/nowhere/python\n', 'cannot be run'],
  ])('says why an interpreter cannot be asked: %j', async (script, reason) => {
    const folder = temporaryFolder({ 'x python': script });
    await expect(findOpenWebui('./python', question, surroundings(folder))).rejects.toThrow(reason);
  });
});
