/**
 * `npm test`: prepares what the checks need, and runs them. What takes seconds and the unit tests come first, while Python's
 * environments are installed; then the other tests in Vitest, and beside them what mostly waits. What runs beside says what it
 * has to say when it is done. Every check is run, whatever the others said. `npm run test:all`: the long end-to-end tests
 * too. It runs before anything is installed, so it may use only Node's own modules.
 *
 * `npm run test:changed -- REVISION`: those that the changes since that commit can break (default: HEAD). Left out are the
 * checks of Python where no Python has changed, and end-to-end tests. These start what is built, and all of it is in one
 * program: a change of it runs all of them. Any other change runs those that import it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PREPARE = ['node', 'scripts/prepare.mjs'];
const PYTHON = 'scripts/python-tools.mjs';
/** What is built, what builds it, and what tests start without an import of it. */
const BUILT =
  /^(?:src\/|presets\/|test\/preload\/kit\/fake_hub\.py$|scripts\/(?:build|environments)\.mjs|package(?:-lock)?\.json|vitest\.config\.ts|tsconfig)/;
/** These need no environment. */
const QUICK = ['unit'];
const WITH_PROGRAMS = ['programs', 'formats'];
const SLOW = ['e2e', 'measuring'];
const LONG = ['long', 'long-measuring'];

const COUNTS = join(mkdtempSync(join(tmpdir(), 'wt-check-')), 'counts');
writeFileSync(COUNTS, '');
const failed = [];
const started = Date.now();
const seconds = (since) => `${Math.round((Date.now() - since) / 1000)} s`;

const vitest = (projects, ...words) => [
  ...['npx', 'vitest', 'run', '--passWithNoTests'],
  ...projects.flatMap((name) => ['--project', name]),
  ...words,
];

/** Files that differ from the commit, and those that git does not know yet. */
function changedSince(revision) {
  const git = (...words) => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).split('\n');
  const files = [
    ...git('diff', '--name-only', revision),
    ...git('ls-files', '--others', '--exclude-standard'),
  ];
  return files.filter(Boolean);
}

/** The checks: what comes first, what needs the environments, and what runs beside that, in turns of each list. */
function checks(mode, since) {
  const python = (name) => ['node', PYTHON, name];
  const first = [['npx', 'biome', 'check', '.'], ['npx', 'tsc', '--noEmit'], vitest(QUICK)];
  const beside = [
    [python('unit')],
    [
      python('lint'),
      ['node', 'scripts/audit.mjs'],
      ['npx', 'tsx', 'scripts/audit-python.ts'],
      python('types'),
      python('other-python'),
    ],
  ];
  const all = mode === '--all' ? LONG : [];
  if (mode !== '--changed') return { first, tests: [vitest([...WITH_PROGRAMS, ...SLOW, ...all])], beside };
  const changed = changedSince(since);
  const hasPython = changed.some((file) => file.endsWith('.py'));
  const isBuilt = changed.some((file) => BUILT.test(file));
  const slow = vitest([...SLOW, ...LONG], ...(isBuilt ? [] : ['--changed', since]));
  const tests = [vitest(WITH_PROGRAMS), slow];
  return {
    first,
    tests,
    beside: hasPython ? beside.map((turns) => turns.filter((words) => words.includes(PYTHON))) : [],
  };
}

/** `isQuiet`: what it says is kept until it ends. Whether it succeeded. */
function run(words, isQuiet) {
  const [program, ...args] = words;
  const begun = Date.now();
  const stdio = isQuiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'];
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio,
    env: { ...process.env, WEBUI_TUNE_TEST_COUNTS: COUNTS },
  });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => said.push(text));
  return new Promise((resolve) => {
    child.once('error', (error) => said.push(Buffer.from(`${error.message}\n`)));
    child.once('close', (code) => {
      process.stderr.write(Buffer.concat(said));
      process.stderr.write(`${words.join(' ')}: ${code === 0 ? 'ok' : 'FAILED'}, ${seconds(begun)}\n`);
      if (code !== 0) failed.push(words.join(' '));
      resolve(code === 0);
    });
  });
}

async function inTurn(all, isQuiet) {
  for (const words of all) await run(words, isQuiet);
}

/** Of all runs of Vitest, which the reporter has noted, a line each. */
function countTests() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of readFileSync(COUNTS, 'utf8').split('\n').filter(Boolean)) {
    for (const [state, count] of Object.entries(JSON.parse(line))) counts[state] += count;
  }
  return Object.entries(counts)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

const [mode, revision = 'HEAD'] = process.argv.slice(2);
try {
  const environments = run([...PREPARE, '--environments'], true);
  if (await run([...PREPARE, '--package'], false)) {
    const { first, tests, beside } = checks(mode, revision);
    await inTurn(first, false);
    if (await environments)
      await Promise.all([inTurn(tests, false), ...beside.map((turns) => inTurn(turns, true))]);
    process.stderr.write(`all checks: ${seconds(started)}; tests: ${countTests()}\n`);
  }
  await environments;
} finally {
  rmSync(dirname(COUNTS), { recursive: true, force: true });
}
for (const check of failed) process.stderr.write(`FAILED: ${check}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
