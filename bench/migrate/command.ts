/**
 * `npm run bench:migrate`, after `npm run build`: the whole of `webui-tune migrate`, from a server of PM2 with SQLite and
 * Chroma to two workers with PostgreSQL and pgvector. A million messages (1.3 GiB) and 100,000 chunks of 384 dimensions,
 * in a folder that is not that of `up`; and how long nobody was served. Ends with 1 where a figure misses what must hold.
 */
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { sumMemory } from '../../src/base/machine/process-memory.ts';
import { processTree } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { Installation } from '../../test/kit/installation.ts';
import { nameUploads } from '../../test/kit/migrate/kept-data.ts';
import { addManyRows } from '../../test/kit/migrate/large-data.ts';
import { makeData } from '../../test/kit/migrate/make-data.ts';
import { isServed, startOld } from '../../test/kit/migrate/old-app.ts';
import { sqliteSettings, startSqliteServer } from '../../test/kit/migrate/sqlite-server.ts';
import { type Figure, isMissed, renderTable } from '../statistics.ts';

const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 1_000_000);
const CHUNKS = Number(process.env.BENCH_CHUNKS ?? 100_000);

/** What must hold: seconds, and MiB. */
const LONGEST = 300;
const LONGEST_OUTAGE = 30;
const MOST_MEMORY = 300;

/** Between two requests. */
const LOOK_MS = 50;
/** Between two looks at the memory, which read all of /proc: more often, they would take the processor from what is measured. */
const MEMORY_LOOK_MS = 250;
const GIVEN_UP_MS = 1_800_000;

const scope = new Scope();

const begun = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - begun) / 1000).toFixed(0).padStart(5);
  console.error(`${seconds} s  ${text}; load ${loadavg()[0]?.toFixed(1)}`);
}

/** Looks again and again until it is told to stop. Returns the longest time without an answer, in seconds. */
function watchOutage(installation: Installation): { stop(): Promise<number> } {
  let isOver = false;
  const watching = (async () => {
    let longest = 0;
    let last = performance.now();
    while (!isOver) {
      const answers = await isServed(installation).catch(() => false);
      const now = performance.now();
      longest = Math.max(longest, now - last);
      if (answers) last = now;
      await sleep(LOOK_MS);
    }
    return longest / 1000;
  })();
  return {
    stop: () => {
      isOver = true;
      return watching;
    },
  };
}

interface Migrated {
  /** Of the whole command. */
  seconds: number;
  /** As it tells of it, and as it foretold. */
  outage: number;
  foretold: number;
  foretoldOutage: number;
  /** MiB that its processes took together at most. */
  memory: number;
}

async function migrate(installation: Installation, dataDir: string): Promise<Migrated> {
  const words = installation.migration('--yes', '--json', '--from', dataDir);
  const begun = performance.now();
  const command = installation.start(words, {}, GIVEN_UP_MS);
  command.stderr.on('data', (text: Buffer) => say(text.toString().trimEnd()));
  let isOver = false;
  const closed = command.finally(() => {
    isOver = true;
  });
  let memory = 0;
  while (!isOver && command.pid !== undefined) {
    memory = Math.max(memory, memoryOf(command.pid));
    await Promise.race([sleep(MEMORY_LOOK_MS), closed]);
  }
  const { exitCode, stdout } = await closed;
  if (exitCode !== 0) throw new Error(`the migration ended with ${exitCode}`);
  const seconds = (performance.now() - begun) / 1000;
  const { outageSeconds, estimate } = JSON.parse(stdout) as {
    outageSeconds: number;
    estimate: { seconds: number; outageSeconds: number };
  };
  const foretold = { foretold: estimate.seconds, foretoldOutage: estimate.outageSeconds };
  return { seconds, outage: outageSeconds, ...foretold, memory };
}

/** 0 where one of them has just ended. */
function memoryOf(pid: number): number {
  try {
    return sumMemory(processTree(pid)).pss / MIB;
  } catch {
    return 0;
  }
}

try {
  const upstream = await startUpstream(scope);
  const settings = sqliteSettings(upstream);
  const installation = await Installation.prepare(scope);
  await installation.writeSettings(settings);
  const dataDir = join(await temporaryFolder(scope, 'bench'), 'data');
  const first = await startSqliteServer(scope, dataDir, upstream);
  await makeData(first.url);
  await first.process.stop();
  await nameUploads(dataDir);
  await addManyRows(dataDir, MESSAGES, CHUNKS);
  await startOld(installation, settings, dataDir);
  say(`${MESSAGES} messages and ${CHUNKS} chunks, served by one process`);
  const watched = watchOutage(installation);
  const { seconds, outage, foretold, foretoldOutage, memory } = await migrate(installation, dataDir);
  const unserved = await watched.stop();
  say('migrated');
  const figures: Figure[] = [
    { what: 'the whole command', unit: 's', samples: [seconds], limit: LONGEST },
    { what: 'as foretold', unit: 's', samples: [foretold] },
    { what: 'its outage', unit: 's', samples: [outage], limit: LONGEST_OUTAGE },
    { what: 'as foretold', unit: 's', samples: [foretoldOutage] },
    { what: 'nobody was served', unit: 's', samples: [unserved], limit: LONGEST_OUTAGE },
    { what: 'memory of its processes', unit: 'MiB', samples: [memory], limit: MOST_MEMORY },
  ];
  console.log(`\n${cpus().length} × ${cpus()[0]?.model}\n\n${renderTable(figures)}`);
  if (figures.some(isMissed)) process.exitCode = 1;
} finally {
  await scope.close();
}
