import { CommanderError } from 'commander';
import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { EXIT_MEANINGS } from '../../../src/base/errors.ts';
import type { Terminal } from '../../../src/base/io/terminal.ts';
import { makeProgram } from '../../../src/commands/program.ts';
import { OPTION_NAMES, ROWS } from '../../../src/plan/options.ts';
import { renderAlerts } from '../../../src/render/watching/alerts.ts';
import { renderDashboard } from '../../../src/render/watching/dashboard.ts';

interface Recorded {
  out: string;
  err: string;
  error: unknown;
}

/** Runs the command line as far as commander goes; nothing here may reach the machine. */
async function run(...words: string[]): Promise<Recorded> {
  const recorded: Recorded = { out: '', err: '', error: undefined };
  const terminal: Terminal = {
    out: (text) => {
      recorded.out += text;
    },
    err: (text) => {
      recorded.err += text;
    },
    colors: createColors(false),
  };
  try {
    await makeProgram(terminal, () => {}).parseAsync(words, { from: 'user' });
  } catch (error) {
    recorded.error = error;
  }
  return recorded;
}

describe('a wrong command line', () => {
  it.each([
    [['--memroy', '4G'], "unknown option '--memroy'\n(Did you mean --memory?)"],
    [['--workers', '0'], 'Expected auto, a number from 1 to 1024, or a range such as 1..4.'],
    [['--workers', '1.5'], 'Expected auto, a number'],
    [['--workers', '-1'], 'Expected auto, a number'],
    [['--port', '65536'], 'Expected a port'],
    [['--port', '8080x'], 'Expected a port'],
    [['--metrics', 'on'], 'Expected off or a port'],
    [['--memory', 'lots'], 'Expected a size such as 4GiB'],
    [['--memory', '0'], 'Expected a size such as 4GiB'],
    [['--memory'], 'argument missing'],
    [['--host', 'a b'], 'Expected an address'],
    [['--preload', 'some'], 'Allowed choices are auto, app, lean, libraries, none.'],
    [['--workers-per-pod', '10'], 'Expected a number from 1 to 9.'],
    [['--grace-seconds', '15'], 'Expected a number of seconds from 16 to 3600.'],
    [['somewhere'], 'too many arguments'],
    [['metrics', '--alerts', '--dashboard'], "'--alerts' cannot be used with option '--dashboard'"],
  ])('%j', async (words, message) => {
    const { out, err, error } = await run(...words);
    expect(err).toContain(message);
    expect(out).toBe('');
    expect(error).toBeInstanceOf(CommanderError);
  });
});

describe('metrics', () => {
  it.each([
    ['--dashboard', renderDashboard()],
    ['--alerts', renderAlerts()],
  ])('%s prints it, and serves nothing', async (flag, text) => {
    expect(await run('metrics', flag)).toEqual({ out: text, err: '', error: undefined });
  });
});

describe('--help', () => {
  it('shows every flag, examples and what the exit codes mean', async () => {
    const { out, err, error } = await run('--help');
    expect(err).toBe('');
    expect(error).toMatchObject({ exitCode: 0 });
    for (const name of OPTION_NAMES) expect(out).toContain(ROWS[name].flag);
    const kubernetes = [
      '--replicas',
      '--workers-per-pod',
      '--storage-class',
      '--tools-image',
      '--grace-seconds',
    ];
    for (const flag of ['--out', '--force', '--format', ...kubernetes]) expect(out).toContain(flag);
    expect(out).toContain('$ webui-tune > ecosystem.config.js');
    for (const [code, meaning] of EXIT_MEANINGS) expect(out).toContain(`  ${code}  ${meaning}`);
  });
});
