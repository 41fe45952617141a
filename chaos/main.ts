/**
 * `npm run chaos [-- event… --short --json --workers N --minutes N]`, after `npm run build`: failures of the real
 * Open WebUI under PM2 and under load. Prints a table; exits with 1 if something does not hold.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EVENTS } from './events/index.ts';
import { runEvents } from './run.ts';
import { renderTable } from './table.ts';

const started = performance.now();

function say(text: string): void {
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`);
}

const { values, positionals } = parsed({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    workers: { type: 'string', default: '4' },
    minutes: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function parsed<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}; npm run chaos -- --help`);
    process.exit(2);
  }
}

const USAGE = `npm run chaos [-- EVENT… --short --json --workers N --minutes N]

  npm run chaos                        every event, in its long form
  npm run chaos reload kill-worker     these two
  npm run chaos -- --short --json      every event, in its short form; the results as JSON
  npm run chaos soak -- --minutes 3    an hour of load, made shorter

${EVENTS.map(({ name, title, runs }) => `  ${name.padEnd(20)} ${title} (× ${runs.long}, short × ${runs.short})`).join('\n')}
`;

const unknown = positionals.filter((name) => !EVENTS.some((event) => event.name === name));
const workers = Number(values.workers);
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
if (values.help) {
  process.stdout.write(USAGE);
} else if (unknown.length > 0 || !Number.isInteger(workers) || workers < 2) {
  console.error(
    unknown.length > 0
      ? `there is no event ${unknown.join(', ')}; there are: ${EVENTS.map(({ name }) => name).join(', ')}`
      : `--workers takes a number of at least 2, not ${values.workers}`,
  );
  process.exitCode = 2;
} else if (minutes !== undefined && !(minutes > 0)) {
  console.error(`--minutes takes a number above 0, not ${values.minutes}`);
  process.exitCode = 2;
} else {
  const chosen = EVENTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results = await runEvents(chosen, { form: values.short ? 'short' : 'long', workers, minutes, say });
  console.log(values.json ? JSON.stringify(results, null, 2) : renderTable(results));
  const broken = results.filter(({ violations }) => violations.length > 0);
  for (const { title, holds, violations } of broken) {
    console.error(`\n${title}: must hold: ${holds}`);
    for (const violation of violations) console.error(`  ${violation}`);
  }
  if (broken.length > 0) process.exitCode = 1;
}
