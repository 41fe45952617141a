/**
 * Asks npm's registry for known faults of all packages of the lock file, and fails on a high or a critical one. Those for
 * development count too: the build bundles some of them (pg, redis, tar, prom-client). A registry that does not answer is
 * said aloud, and is no failure: without a network, nothing can be looked at.
 */
import { spawnSync } from 'node:child_process';

const SERIOUS = ['high', 'critical'];

/** What to say about npm's answer (`npm audit --json`), and whether it is a failure. */
export function judge(text) {
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    return { failed: false, lines: ['NOT LOOKED AT: npm audit gave no answer'] };
  }
  if (!answer.vulnerabilities) {
    return {
      failed: false,
      lines: [
        `NOT LOOKED AT: the registry does not tell of known faults: ${answer.message ?? 'no reason given'}`,
      ],
    };
  }
  const all = Object.values(answer.vulnerabilities);
  const serious = all.filter(({ severity }) => SERIOUS.includes(severity));
  return {
    failed: serious.length > 0,
    lines: [
      ...serious.map(({ name, severity, range }) => `${severity}: ${name} ${range}`),
      `${all.length} packages with known faults, ${serious.length} of them high or critical`,
    ],
  };
}

if (process.argv[1]?.endsWith('audit.mjs')) {
  const { stdout } = spawnSync('npm', ['audit', '--json', '--fetch-timeout=20000', '--fetch-retries=1'], {
    encoding: 'utf8',
  });
  const { failed, lines } = judge(stdout);
  for (const line of lines) process.stderr.write(`audit: ${line}\n`);
  process.exitCode = failed ? 1 : 0;
}
