import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { makeProgram } from '../src/commands/program.ts';
import { argumentsOf, type SizeOptions } from '../src/tune/size-apps.ts';

/** One of each: the compiler finds an option that is missing here. */
const ALL: Required<Omit<SizeOptions, 'cwd' | 'env'>> = {
  workers: 4,
  memory: '4GiB',
  cpus: 1.5,
  host: '127.0.0.1',
  port: 3000,
  python: '/venv/bin/python',
  envFile: '/etc/open-webui.env',
  preset: 'team',
  preload: 'lean',
  runtime: 'preload',
  staticCache: false,
  shortcuts: false,
  metrics: 9464,
};

describe('argumentsOf', () => {
  it('turns options into flags', () =>
    expect(argumentsOf({ envFile: '/e f', port: 3000 })).toEqual(['--env-file', '/e f', '--port', '3000']));

  it('says nothing of what is not set', () => expect(argumentsOf({})).toEqual([]));

  it('knows the flag of every option', () => {
    const silent = { out: () => {}, err: () => {}, colors: createColors(false) };
    const flags = makeProgram(silent, () => {}).options.map(({ long }) => long);
    for (const flag of argumentsOf(ALL).filter((argument) => argument.startsWith('--'))) {
      expect(flags).toContain(flag);
    }
  });
});
