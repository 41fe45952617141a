/** Both halves of the contract say the same: contract.ts and frame-names.ts, and contract.py. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environments } from '../../../scripts/environments.mjs';
import * as contract from '../../../src/runtime/contract.ts';
import * as frameNames from '../../../src/runtime/frame-names.ts';
import { ROOT } from '../../kit/environment.ts';

/** Of the TypeScript half, what no Python asks for. */
const TYPESCRIPT_ALONE = [
  'APPS.backup',
  'APPS.logrotate',
  'APPS.metrics',
  'APPS.scale',
  'DEFAULT_HOST',
  'DEFAULT_PORT',
  'ENV.documentsAtOnce',
  'ENV.drainSeconds',
  'ENV.hangSeconds',
  'ENV.leastWorkers',
  'ENV.memoryLimit',
  'ENV.metricsPort',
  'ENV.mostWorkers',
  'ENV.program',
  'ENV.workerMemory',
  'EXIT_STOPPED_EARLY',
  'FRAMES.taken',
  'KILL_SECONDS',
  'LEAST_GROWTH',
  'METRICS_PORT',
  'MONITOR',
  'OBSERVED.instance',
  'ROLES.adopt',
  'ROLES.watch',
  'RUNTIMES',
  'RUNTIME_FILES',
  'RUN_FOLDER.scale',
  'RUN_FOLDER.workers',
  'SUPERVISOR_END_SECONDS',
  'leavesRoom',
];

/** Prints the public names of contract.py as JSON; a class is an object of its attributes. */
const PRINT = `
import json
from webui_preload import contract

def public(owner):
    return {name: value for name, value in vars(owner).items() if not name.startswith("_")}

print(json.dumps({name: public(value) if isinstance(value, type) else value for name, value in public(contract).items()}))
`;

type Half = Record<string, unknown>;

/** `{ A: { b: 1 }, C: 2 }` as `{ 'A.b': 1, C: 2 }`. */
function flat(half: Half): Half {
  return Object.fromEntries(
    Object.entries(half).flatMap(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, part])
        : [[name, value]],
    ),
  );
}

/** Python's names in TypeScript's spelling: `RunFolder.GENERATION_LOCK` is `RUN_FOLDER.generationLock`. */
function pythonHalf(): Half {
  const text = execFileSync(environments().python.command, ['-c', PRINT], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PYTHONPATH: join(ROOT, 'src', 'runtime', 'preload'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  const upper = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  const camel = (name: string) =>
    name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(flat(JSON.parse(text) as Half)).map(([name, value]) => {
      const [owner = '', key] = name.split('.');
      return [key === undefined ? owner : `${upper(owner)}.${camel(key)}`, value];
    }),
  );
}

function typescriptHalf(): Half {
  return flat({ ...contract, ...frameNames });
}

function isAlone(name: string): boolean {
  return TYPESCRIPT_ALONE.some((alone) => name === alone || name.startsWith(`${alone}.`));
}

describe('the contract', () => {
  it('has the same names and values in TypeScript and in Python', () => {
    const shared = Object.entries(typescriptHalf()).filter(([name]) => !isAlone(name));
    expect(shared.length).toBeGreaterThan(50);
    expect(pythonHalf()).toEqual(Object.fromEntries(shared));
  });

  it('has all that is said to be TypeScript’s alone', () => {
    const names = Object.keys(typescriptHalf());
    expect(
      TYPESCRIPT_ALONE.filter(
        (alone) => !names.some((name) => name === alone || name.startsWith(`${alone}.`)),
      ),
    ).toEqual([]);
  });
});
