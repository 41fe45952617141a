import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { npmWords, wheelsOf } from '../../../scripts/start.mjs';
import { temporaryFolder } from '../../kit/temporary.ts';

/** The script in a clone that has all of npm's packages, and this for webui-tune. */
function startOf(cli: string, ...words: string[]) {
  const clone = temporaryFolder({
    'package.json': '{"scripts": {"build": "echo noise"}}',
    'package-lock.json': '{}',
    'dist/cli.js': cli,
    'scripts/start.mjs': readFileSync(
      fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url)),
      'utf8',
    ),
    'node_modules/.package-lock.json': '{}',
  });
  return execa(process.execPath, [join(clone, 'scripts', 'start.mjs'), ...words], { reject: false });
}

describe('npm start', () => {
  it('reads --wheels out of its words', () => {
    expect(wheelsOf([])).toBeUndefined();
    expect(wheelsOf(['--yes', '--wheels', '/stick', '--port', '1'])).toBe('/stick');
    expect(wheelsOf(['--wheels=/stick'])).toBe('/stick');
    expect(wheelsOf(['--', '--wheels', '/stick'])).toBeUndefined();
  });

  it('installs npm’s packages from that folder, and asks no registry', () => {
    const wheels = temporaryFolder({
      'npm/_cacache/x': '',
      'webui-tune-wheels.json': '{"registry": "https://registry.example/"}',
    });
    const words = npmWords(wheels);
    expect(words).toEqual(expect.arrayContaining(['ci', '--offline', '--cache', join(wheels, 'npm')]));
    expect(words.slice(-2)).toEqual(['--registry', 'https://registry.example/']);
    expect(npmWords(undefined)).not.toContain('--offline');
  });

  it('runs webui-tune up with the words that it gets, and ends as that does', async () => {
    const cli = `console.log(process.argv.slice(2).join(' ')); process.exitCode = 5;`;
    const { stdout, exitCode } = await startOf(cli, '--port', '3000');
    expect([stdout, exitCode]).toEqual(['up --port 3000', 5]);
  });

  it('passes a signal on, and stdout has nothing of npm’s', async () => {
    const cli = `
      process.on('SIGTERM', () => { console.log('ended'); process.exit(3); });
      console.log('runs'); setInterval(() => {}, 1000);`;
    const run = startOf(cli);
    for await (const line of run) if (line === 'runs') run.kill('SIGTERM');
    const { stdout, exitCode } = await run;
    expect([stdout, exitCode]).toEqual(['runs\nended', 3]);
  });

  it('says so where the folder has nothing for npm', () => {
    const wheels = temporaryFolder();
    expect(() => npmWords(wheels)).toThrow(`--wheels ${wheels}: it has no folder npm`);
  });
});
