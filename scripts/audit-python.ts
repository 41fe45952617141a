/**
 * Asks PyPI for known faults of what `up` installs from there: the pinned wheels of PostgreSQL with pgvector and of Valkey, and
 * the Open WebUI that is tested. Fails on one that another version mends. PyPI knows faults of packages; those of a program in
 * a wheel are told under the wheel's name, or not at all. What it does not answer is said aloud, and is no failure.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { PACKAGES } from '../src/facts/embedded/packages.ts';
import { environments, OPEN_WEBUI_VERSION } from './environments.mjs';

/** Seconds: for one answer, and for all of it. */
const ANSWER_TIMEOUT = 10;
const TIMEOUT = 40;

/** What `pip-audit --format json` prints. */
const Answer = z.object({
  dependencies: z.array(
    z.object({
      name: z.string(),
      version: z.string().optional(),
      skip_reason: z.string().optional(),
      vulns: z
        .array(z.object({ id: z.string(), aliases: z.array(z.string()), fix_versions: z.array(z.string()) }))
        .default([]),
    }),
  ),
});

/** What to say about an answer to the question about `asked` packages, and whether it is a failure. */
export function judge(text: string, asked: number): { failed: boolean; lines: string[] } {
  const answer = Answer.safeParse(parsed(text));
  if (!answer.success) return { failed: false, lines: ['NOT LOOKED AT: pip-audit gave no answer'] };
  const { dependencies } = answer.data;
  const skipped = dependencies.filter(({ skip_reason }) => skip_reason !== undefined);
  const faults = dependencies.flatMap(({ name, version = '', vulns }) =>
    vulns.map((fault) => ({ of: `${name} ${version}`, ...fault })),
  );
  const lines = [
    ...skipped.map(({ name, skip_reason }) => `NOT LOOKED AT: ${name}: ${skip_reason}`),
    ...faults.map(({ of, id, aliases, fix_versions }) => {
      const mended = fix_versions.length > 0 ? `mended in ${fix_versions.join(', ')}` : 'not mended yet';
      return `${of}: ${[id, ...aliases].join(', ')}, ${mended}`;
    }),
    `${dependencies.length - skipped.length} of ${asked} packages looked at, ${faults.length} known faults`,
  ];
  return { failed: faults.some(({ fix_versions }) => fix_versions.length > 0), lines };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function audit(): { failed: boolean; lines: string[] } {
  const { tools } = environments();
  if (!tools.isComplete()) return { failed: false, lines: [`NOT LOOKED AT: ${tools.folder} is not set up`] };
  const pinned = [
    ...PACKAGES.map(({ name, version }) => `${name}==${version}`),
    `open-webui==${OPEN_WEBUI_VERSION}`,
  ];
  const folder = mkdtempSync(join(tmpdir(), 'webui-tune-audit-'));
  try {
    const list = join(folder, 'requirements.txt');
    writeFileSync(list, pinned.map((line) => `${line}\n`).join(''));
    const args = ['--vulnerability-service', 'pypi', '--no-deps', '--disable-pip', '--requirement', list];
    const { stdout } = spawnSync(
      tools.python,
      ['-m', 'pip_audit', ...args, '--format', 'json', '--progress-spinner', 'off'].concat([
        ...['--timeout', `${ANSWER_TIMEOUT}`, '--cache-dir', join(folder, 'cache')],
      ]),
      { encoding: 'utf8', timeout: TIMEOUT * 1000 },
    );
    return judge(stdout, pinned.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { failed, lines } = audit();
  for (const line of lines) process.stderr.write(`audit of Python: ${line}\n`);
  process.exitCode = failed ? 1 : 0;
}
