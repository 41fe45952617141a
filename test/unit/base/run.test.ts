import { describe, expect, it } from 'vitest';
import { lastLine, runProgram, tailOf } from '../../../src/base/io/run.ts';

const env = { PATH: process.env.PATH };
const sh = (script: string, options: Partial<Parameters<typeof runProgram>[2]> = {}) =>
  runProgram('sh', ['-c', script], { env, ...options });

describe('runProgram', () => {
  it('gives back what the program wrote, and its exit code', async () => {
    expect(await sh('echo out; echo err >&2; exit 3')).toMatchObject({
      code: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('hands on whole lines as they come, those of stdout alone where that is wanted', async () => {
    const [all, ofStdout] = [[] as string[], [] as string[]];
    await sh('printf "on"; echo "e"; echo no >&2; printf "no end"', {
      onLine: (line) => all.push(line),
      onOutput: (line) => ofStdout.push(line),
    });
    expect(all.sort()).toEqual(['no', 'one']);
    expect(ofStdout).toEqual(['one']);
  });

  it('writes the input, and does not mind a program that reads none', async () => {
    expect((await sh('cat', { input: 'a word' })).stdout).toBe('a word');
    expect((await sh('exit 5', { input: 'x'.repeat(1_000_000) })).code).toBe(5);
  });

  it('ends a program that takes too long, one that ignores SIGTERM too', async () => {
    const result = await sh('trap "" TERM; echo begun; while :; do :; done', { timeout: 300 });
    expect(result).toMatchObject({ code: null, signal: 'SIGKILL', stdout: 'begun\n' });
  });

  it('ends it early, and keeps what it wrote by then', async () => {
    const abort = new AbortController();
    const onOutput = () => abort.abort();
    const result = await sh('echo begun; exec sleep 60', { signal: abort.signal, onOutput });
    expect(result).toMatchObject({ code: null, signal: 'SIGTERM', stdout: 'begun\n' });
    expect(await sh('exec sleep 60', { signal: AbortSignal.abort() })).toMatchObject({ signal: 'SIGTERM' });
  });

  it('rejects where the program cannot be started', async () => {
    await expect(runProgram('/no/such/program', [], { env })).rejects.toThrow('ENOENT');
  });

  it('starts it with a file creation mask, and keeps ours', async () => {
    const ours = process.umask();
    expect((await sh('umask', { umask: 0o077 })).stdout.trim()).toBe('0077');
    expect(process.umask()).toBe(ours);
  });
});

describe('the end of what a program wrote', () => {
  it('is its last lines that say something', () => {
    expect(tailOf('a\n\nb\n \nc\n', 2)).toBe('b\nc');
    expect(lastLine('Traceback\n  File\nValueError: x\n')).toBe('ValueError: x');
  });
});
