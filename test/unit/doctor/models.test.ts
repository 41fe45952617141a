import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModels } from '../../../src/doctor/read/models.ts';
import { DEFAULT_MODEL } from '../../../src/runtime/contract.ts';

describe('the local models', () => {
  it('are those that the preload process names, while it runs', async () => {
    const runFolder = mkdtempSync(join(tmpdir(), 'webui-tune-models-'));
    const state = {
      endpoint: 'https://mirror.example',
      offline: false,
      models: [{ kind: 'embedding', name: 'a/b', here: true, reason: '' }],
      checkedAt: '2026-01-01T00:00:00Z',
      nextAttemptAt: null,
    };
    writeFileSync(join(runFolder, 'models.json'), JSON.stringify(state));
    const python = join(runFolder, 'python');
    const found = { models: [], absent: ['torch'], cache: '/cache' };
    writeFileSync(
      python,
      `#!/bin/sh\ncat > ${runFolder}/asked; echo '${JSON.stringify(found)}'; echo '[]'\n`,
      {
        mode: 0o755,
      },
    );
    const effective = new Map();
    const database = { kind: 'sqlite' } as const;
    const question = { python, env: { PATH: process.env.PATH }, cwd: '/', effective, database };
    const asked = () => JSON.parse(readFileSync(join(runFolder, 'asked'), 'utf8'));
    expect(await readModels({ ...question, runFolder })).toMatchObject({
      lookedBy: 'preload',
      endpoint: 'https://mirror.example',
      models: [{ name: 'a/b', here: true }],
      absent: ['torch'],
    });
    expect(asked()).toMatchObject({ look: [], missing: [] });
    // Cut off while it is written, it is as good as none.
    writeFileSync(join(runFolder, 'models.json'), JSON.stringify(state).slice(0, 50));
    expect(await readModels({ ...question, runFolder })).toMatchObject({ lookedBy: 'doctor' });
    expect(asked()).toMatchObject({ look: [DEFAULT_MODEL] });
    await expect(readModels({ ...question, runFolder, python: '/nowhere' })).rejects.toThrow(
      '/nowhere cannot look for models',
    );
    rmSync(runFolder, { recursive: true });
  });
});
