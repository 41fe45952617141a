import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quoteForShell } from '../src/base/io/shell.ts';
import { findCandidates, namedPython } from '../src/facts/openwebui/candidates.ts';
import { findOpenWebui } from '../src/facts/openwebui/find.ts';
import type { Probe } from '../src/facts/openwebui/probe.ts';
import { interpreterIn, interpreterOf } from '../src/facts/openwebui/shebang.ts';
import { checkVersions, missingPackage } from '../src/facts/openwebui/versions.ts';
import { temporaryFolder } from './temporary.ts';

const PYTHON = '#!/bin/sh\n';

function candidatesIn(folder: string, env: NodeJS.ProcessEnv = {}) {
  return findCandidates({ env, cwd: join(folder, 'cwd'), home: join(folder, 'home') }).map(
    ({ python, where }) => [python.slice(folder.length + 1), where],
  );
}

describe('findCandidates', () => {
  it('looks in the documented order', () => {
    const folder = temporaryFolder({
      'x active/bin/python': PYTHON,
      'x cwd/.venv/bin/python': PYTHON,
      'x cwd/venv/bin/python': PYTHON,
      'x other/bin/python3': PYTHON,
      'x home/.local/share/pipx/venvs/open-webui/bin/python': PYTHON,
      'x home/.local/pipx/venvs/open-webui/bin/python': PYTHON,
      'x home/.local/share/uv/tools/open-webui/bin/python': PYTHON,
    });
    const scripts = temporaryFolder({ 'x bin/open-webui': `#!${folder}/other/bin/python3\n` });
    const env = { VIRTUAL_ENV: join(folder, 'active'), PATH: `/nowhere:${scripts}/bin` };
    expect(candidatesIn(folder, env)).toEqual([
      ['active/bin/python', 'the active virtual environment'],
      ['cwd/.venv/bin/python', './.venv'],
      ['cwd/venv/bin/python', './venv'],
      ['other/bin/python3', 'open-webui on PATH'],
      ['home/.local/share/pipx/venvs/open-webui/bin/python', 'pipx'],
      ['home/.local/pipx/venvs/open-webui/bin/python', 'pipx'],
      ['home/.local/share/uv/tools/open-webui/bin/python', 'uv tool'],
    ]);
  });

  it('respects PIPX_HOME and UV_TOOL_DIR', () => {
    const folder = temporaryFolder({
      'x pipx/venvs/open-webui/bin/python': PYTHON,
      'x uv/open-webui/bin/python': PYTHON,
      'x home/.local/share/uv/tools/open-webui/bin/python': PYTHON,
    });
    const env = { PIPX_HOME: join(folder, 'pipx'), UV_TOOL_DIR: join(folder, 'uv') };
    expect(candidatesIn(folder, env)).toEqual([
      ['pipx/venvs/open-webui/bin/python', 'pipx'],
      ['uv/open-webui/bin/python', 'uv tool'],
    ]);
  });

  it('asks an interpreter that is found twice only once', () => {
    const folder = temporaryFolder({ 'x cwd/.venv/bin/python': PYTHON });
    const env = { VIRTUAL_ENV: join(folder, 'cwd/.venv') };
    expect(candidatesIn(folder, env)).toEqual([['cwd/.venv/bin/python', 'the active virtual environment']]);
  });

  it('takes no file for an interpreter that cannot be run', () => {
    expect(candidatesIn(temporaryFolder({ 'cwd/.venv/bin/python': PYTHON }))).toEqual([]);
  });
});

describe('namedPython', () => {
  const surroundings = (cwd: string, PATH = '') => ({ env: { PATH }, cwd, home: cwd });

  it('takes an interpreter, a virtual environment or a command', () => {
    const folder = temporaryFolder({ 'x venv/bin/python': PYTHON, 'x bin/python3.11': PYTHON });
    const python = join(folder, 'venv/bin/python');
    expect(namedPython('venv/bin/python', surroundings(folder)).python).toBe(python);
    expect(namedPython('venv', surroundings(folder)).python).toBe(python);
    expect(namedPython('python3.11', surroundings(folder, join(folder, 'bin'))).python).toBe(
      join(folder, 'bin/python3.11'),
    );
  });

  it('keeps the link that makes a virtual environment one', () => {
    const folder = temporaryFolder({ 'x system/python3': PYTHON, 'venv/bin/x': '' });
    symlinkSync('../../system/python3', join(folder, 'venv/bin/python'));
    expect(namedPython('venv', surroundings(folder)).python).toBe(join(folder, 'venv/bin/python'));
  });

  it.each([
    ['nothing', 'does not exist'],
    ['file', 'is not an executable file'],
    ['empty', 'there is no'],
  ])('refuses %s', (name, reason) => {
    const folder = temporaryFolder({ file: '', 'empty/x': '' });
    expect(() => namedPython(name, surroundings(folder))).toThrow(reason);
  });
});

describe('interpreterIn', () => {
  it.each([
    ['#!/opt/venv/bin/python3\nimport re', '/opt/venv/bin/python3'],
    ['#! /opt/venv/bin/python \n', '/opt/venv/bin/python'],
    [`#!/bin/sh\n'''exec' "/a very long/path/python3" "$0" "$@"\n' '''`, '/a very long/path/python3'],
    [`#!/bin/sh\n'''exec' /long/path/python3 "$0" "$@"\n' '''`, '/long/path/python3'],
  ])('%j', (head, python) => expect(interpreterIn(head, '')).toBe(python));

  it('resolves env by PATH', () => {
    const folder = temporaryFolder({ 'x python3': PYTHON });
    expect(interpreterIn('#!/usr/bin/env python3\n', folder)).toBe(join(folder, 'python3'));
    expect(interpreterIn('#!/usr/bin/env python4\n', folder)).toBeUndefined();
  });

  it.each(['', '\x7fELF', 'import os', '#!python'])('finds none in %j', (head) =>
    expect(interpreterIn(head, '')).toBeUndefined(),
  );

  it('follows the links that pipx and uv make', () => {
    const folder = temporaryFolder({ 'venv/open-webui': '#!/opt/x/bin/python\n', 'bin/x': '' });
    symlinkSync('../venv/open-webui', join(folder, 'bin/open-webui'));
    expect(interpreterOf(join(folder, 'bin/open-webui'), '')).toBe('/opt/x/bin/python');
    expect(interpreterOf(join(folder, 'missing'), '')).toBeUndefined();
  });
});

describe('versions', () => {
  const probe = (version: string, supported = true): Probe => ({
    python: '3.11.7',
    executable: '/v/bin/python',
    package: {
      version,
      folder: '/v/open_webui',
      requires_python: '<3.13.0a1,>=3.11',
      python_supported: supported,
      drivers: {},
      torch: 'none',
    },
    variables: [],
    unmet: [],
    data: {},
    stored: null,
  });

  it('takes 0.12 without a word', () => expect(checkVersions('/p', probe('0.12.4'))).toEqual([]));

  it.each(['0.13.0', '1.0.0'])('warns of %s', (version) =>
    expect(checkVersions('/p', probe(version))).toEqual([expect.stringContaining(version)]),
  );

  it.each(['0.11.9', '0.6.0'])('refuses %s with the command that mends it', (version) => {
    expect(() => checkVersions('/p', probe(version))).toThrow(
      expect.objectContaining({ mend: ["/p -m pip install 'open-webui[postgres]>=0.12,<0.13'"] }),
    );
  });

  it('refuses a Python that the package does not support', () =>
    expect(() => checkVersions('/p', probe('0.12.4', false))).toThrow('needs Python <3.13.0a1,>=3.11'));

  it.each([
    ['3.12.1', "/p -m pip install 'open-webui[postgres]'"],
    ['3.13.0', 'python3.11 -m venv .venv'],
  ])('says how to install it for Python %s', (python, command) => {
    const { mend } = missingPackage('/p', { ...probe('0.12.4'), package: null, python });
    expect(mend[0]).toBe(command);
  });

  it('quotes paths for the shell', () => {
    expect(quoteForShell('/opt/venv/bin/python3.11')).toBe('/opt/venv/bin/python3.11');
    expect(quoteForShell("/it's here/python")).toBe("'/it'\\''s here/python'");
  });
});

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
