import { describe, expect, it } from 'vitest';
import { EXIT, TuneError } from '../../../src/base/errors.ts';
import { previewSteps, runSteps, type Step } from '../../../src/setup/up/step.ts';

/** Steps over a list of what has been done. */
function stepsOver(done: string[], names: readonly string[], failing?: string): Step[] {
  return names.map((name) => ({
    name,
    check: async () => (done.includes(name) ? 'there' : undefined),
    describe: () => `make ${name}`,
    run: async () => {
      if (name === failing) throw new TuneError(`${name} failed`, EXIT.service);
      done.push(name);
      return 'made';
    },
  }));
}

describe('the steps', () => {
  const names = ['a', 'b', 'c'];
  const run = async (steps: Step[]) => {
    const told: string[] = [];
    await runSteps(
      steps,
      ({ name, state }) => told.push(`${name} ${state}`),
      () => {},
    );
    return told;
  };

  it('are listed without being done', async () => {
    const done = ['a'];
    const preview = await previewSteps(stepsOver(done, names));
    expect(preview.map(({ state, text }) => `${state}: ${text}`)).toEqual([
      'right: there',
      'to do: make b',
      'to do: make c',
    ]);
    expect(done).toEqual(['a']);
  });

  it('are done once, and then are right', async () => {
    const done: string[] = [];
    expect(await run(stepsOver(done, names))).toEqual(['a done', 'b done', 'c done']);
    expect(await run(stepsOver(done, names))).toEqual(['a right', 'b right', 'c right']);
    expect(done).toEqual(names);
  });

  it('tell what is lacking, and go on', async () => {
    const lacking: Step = {
      ...(stepsOver([], ['a'])[0] as Step),
      run: async () => ({ lacking: 'no network' }),
    };
    const told: string[] = [];
    await runSteps(
      [lacking, ...stepsOver([], ['b'])],
      ({ name, state, text }) => told.push(`${name} ${state}: ${text}`),
      () => {},
    );
    expect(told).toEqual(['a lacking: no network', 'b done: made']);
  });

  it('go on where they failed', async () => {
    const done: string[] = [];
    await expect(run(stepsOver(done, names, 'b'))).rejects.toThrow('b failed');
    expect(done).toEqual(['a']);
    expect(await run(stepsOver(done, names))).toEqual(['a right', 'b done', 'c done']);
  });
});
