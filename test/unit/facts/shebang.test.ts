import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interpreterIn, interpreterOf } from '../../../src/facts/openwebui/shebang.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const PYTHON = '#!/bin/sh\n';

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
