import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { environments } from '../../../scripts/environments.mjs';
import { linesOfMissing } from '../../../src/commands/status.ts';
import { RUN_FOLDER } from '../../../src/runtime/contract.ts';
import { missingModels, readModelsState } from '../../../src/runtime/models-state.ts';

/** What the preload process writes, and the lines that it logs. */
const WRITE = `
import sys
from pathlib import Path
from webui_preload.models.state import ModelState, SupplyState
models = [
    ModelState("embedding", "acme/tiny", False, "https://huggingface.co was not reached: its name does not resolve"),
    ModelState("reranker", "acme/ranks", False, "no answer within 5 s"),
    ModelState("embedding", "acme/here", True),
]
SupplyState("https://huggingface.co", True, models, 1_800_000_015.0).write(Path(sys.argv[1]), 1_800_000_000.0)
print(*(model.line() for model in models[:2]), sep="\\n")
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'models-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('what the preload process knows of its models', () => {
  it('is read as it was written, and told in the words of the log', () => {
    const { openWebui } = environments();
    const env = { PATH: process.env.PATH, PYTHONPATH: 'src/runtime/preload' };
    const lines = execFileSync(openWebui.python, ['-c', WRITE, folder], { env, encoding: 'utf8' });
    const state = readModelsState(folder);
    expect(state).toMatchObject({
      endpoint: 'https://huggingface.co',
      offline: true,
      checkedAt: '2027-01-15T08:00:00.000Z',
      nextAttemptAt: '2027-01-15T08:00:15.000Z',
    });
    expect(state?.models.map(({ here, reason }) => [here, reason !== ''])).toEqual([
      [false, true],
      [false, true],
      [true, false],
    ]);
    expect(state && missingModels(state)).toEqual(lines.trim().split('\n'));
    expect(linesOfMissing(join(folder, 'control.sock'))).toEqual(lines.trim().split('\n'));
  });

  it('is unknown where the file is missing or broken', () => {
    expect(readModelsState(folder)).toBeUndefined();
    for (const text of ['', '{', '{"models": 1}', '[]']) {
      writeFileSync(join(folder, RUN_FOLDER.models), text);
      expect(readModelsState(folder)).toBeUndefined();
      expect(linesOfMissing(join(folder, 'control.sock'))).toEqual([]);
    }
  });
});
