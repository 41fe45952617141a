import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCandidates, namedPython } from '../../../src/facts/openwebui/candidates.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

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
