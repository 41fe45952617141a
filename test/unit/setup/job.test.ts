/** Jobs that are written down: what is done, undone and completed, and in which order. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Job, type JobContext, resumeJob, runJob } from '../../../src/setup/journal/job.ts';
import { Journal, unfinishedLine } from '../../../src/setup/journal/journal.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

interface Data {
  noted?: string;
}

/** A job of four steps that fails where it is told; `heard` is what was done, in order. */
function setUp() {
  const journal = new Journal(temporaryFolder());
  const heard: string[] = [];
  const failing = new Set<string>();
  const on = (what: string) => {
    heard.push(what);
    if (failing.has(what)) throw new Error(`${what} fails`);
  };
  const step = (name: string) => ({
    name,
    do: async (_: Data, note: (change: Data) => void) => {
      note({ noted: name });
      on(name);
      return undefined;
    },
    undo: async ({ noted }: Data) => on(`undo ${name} (${noted})`),
  });
  const job: Job<Data> = {
    command: 'restore',
    what: 'the work',
    steps: ['a', 'b', 'c', 'd'].map(step),
    forwardFrom: 'c',
    completeFrom: 'd',
  };
  const context: JobContext = { journal, interrupts: { allow: (work) => work() }, tell: () => {} };
  const entry = () => {
    const found = journal.read();
    if (!found) throw new Error('nothing is half done');
    return found;
  };
  return { job, journal, heard, failing, context, entry };
}

describe('a job', () => {
  it('leaves no journal when all is done', async () => {
    const { job, journal, heard, context } = setUp();
    await runJob(job, {}, context);
    expect(heard).toEqual(['a', 'b', 'c', 'd']);
    expect(journal.read()).toBeUndefined();
  });

  it.each([
    ['a', ['a', 'undo a (a)']],
    ['c', ['a', 'b', 'c', 'undo c (c)', 'undo b (c)', 'undo a (c)']],
  ])('that fails in %s is undone, from there on back', async (name, expected) => {
    const { job, journal, heard, failing, context } = setUp();
    failing.add(name);
    await expect(runJob(job, {}, context)).rejects.toThrow(`${name} fails`);
    expect(heard).toEqual(expected);
    expect(journal.read()).toBeUndefined();
  });

  it('is not undone where it is nearly complete', async () => {
    const { job, heard, failing, context, entry } = setUp();
    failing.add('d');
    await expect(runJob(job, {}, context)).rejects.toThrow(/the work is half done, for completing it failed/);
    failing.clear();
    heard.length = 0;
    expect(await resumeJob(job, entry(), context)).toBe('completed');
    expect(heard).toEqual(['d']);
  });

  it('whose undoing fails says both reasons, and goes on there', async () => {
    const { job, journal, heard, failing, context, entry } = setUp();
    failing.add('c').add('undo b (c)');
    await expect(runJob(job, {}, context)).rejects.toThrow(
      /undoing it failed:\nc fails\n\nThen:\nundo b \(c\) fails/,
    );
    expect(unfinishedLine(journal)).toMatch(/^the work, begun at .*, is half undone \(b\)$/);
    failing.clear();
    heard.length = 0;
    expect(await resumeJob(job, entry(), context)).toBe('undone');
    expect(heard).toEqual(['undo b (c)', 'undo a (c)']);
    expect(journal.read()).toBeUndefined();
  });

  it.each([
    ['b', 'undone', ['undo b (x)', 'undo a (x)']],
    ['c', 'completed', ['c', 'd']],
  ] as const)('that was cut short in %s is %s', async (step, outcome, expected) => {
    const { job, journal, heard, context } = setUp();
    const begun = new Date().toISOString();
    const data = { noted: 'x' };
    journal.write({ command: 'restore', what: 'the work', begun, step, undoing: false, data });
    expect(await resumeJob(job, journal.read() ?? expect.fail(), context)).toBe(outcome);
    expect(heard).toEqual(expected);
    expect(journal.read()).toBeUndefined();
  });
});

describe('the journal', () => {
  it('is private, and says what is wrong with it', () => {
    const folder = temporaryFolder();
    const journal = new Journal(folder);
    expect(unfinishedLine(journal)).toBeUndefined();
    writeFileSync(join(folder, 'journal.json'), '{"command":"other"}');
    expect(() => journal.read()).toThrow('this version of webui-tune did not write it');
    expect(unfinishedLine(journal)).toContain('did not write it');
    expect(readFileSync(journal.path, 'utf8')).toBe('{"command":"other"}');
  });
});
