/**
 * `npm run bench:backup`: what a live backup costs. An installation by `up` with two workers and its own PostgreSQL, 1 GiB of
 * uploads and a table of chats; eight connections list chats, in interleaved rounds without and with `webui-tune backup`
 * beside them. And the most memory that the backup's processes take together, for little data and for all of it. Ends
 * with 1 where a figure misses what must hold.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Scope } from '../src/base/io/scope.ts';
import { until } from '../src/base/io/wait.ts';
import { readMemory } from '../src/base/machine/process-memory.ts';
import { processTree, programOf } from '../src/base/machine/process-table.ts';
import { formatBytes, MIB } from '../src/base/units.ts';
import { startLoad } from '../src/bench/client/load.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { summarize } from '../src/bench/contest/statistics.ts';
import { EMBEDDING_MODEL, startUpstream } from '../src/bench/scratch/upstream.ts';
import { CLI } from '../test/kit/environment.ts';
import { Installation } from '../test/kit/installation.ts';
import { type Figure, renderTable } from './statistics.ts';

const EMAIL = 'admin@example.org';
const CONNECTIONS = 8;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const ROUND_MS = Number(process.env.BENCH_SECONDS ?? 20) * 1000;
const UPLOAD_MIB = Number(process.env.BENCH_UPLOADS_MIB ?? 1024);
const CHATS_MIB = Number(process.env.BENCH_CHATS_MIB ?? 300);

/** Of one upload, and of one chat: a long one. */
const FILE_MIB = 16;
const CHAT_BYTES = 50_000;

/** What must hold: percent of the throughput, and MiB. */
const LARGEST_LOSS = 25;
const MOST_MEMORY_MIB = 64;

/** Between two looks at the memory; beside the load they are rare, because a look takes time from those who make it. */
const LOOK_MS = 100;
const RARE_LOOK_MS = 2_000;

const scope = new Scope();

/** Hexadecimal digits, half of which a compression saves. They belong to nobody who signs in. */
async function makeChats(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, archived, pinned)
       SELECT 'bench' || n, 'nobody' || n % 500, 'A long chat', json_build_object('text', text), n, n, false, false
       FROM generate_series(1, $1::int) n,
       LATERAL (SELECT string_agg(md5(n::text || ',' || m::text), ' ') AS text FROM generate_series(1, $2::int) m) words`,
      [Math.round((CHATS_MIB * MIB) / CHAT_BYTES), Math.round(CHAT_BYTES / 33)],
    );
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}

function makeUploads(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (let index = 0; index * FILE_MIB < UPLOAD_MIB; index++) {
    writeFileSync(join(folder, `bench${index}_data.bin`), randomBytes(FILE_MIB * MIB));
  }
}

interface Backup {
  seconds: number;
  /** The most that its processes took together, and of which programs these were. */
  memory: number;
  programs: string;
  /** Of Node alone. */
  node: number;
}

async function backup(installation: Installation, lookMs = LOOK_MS): Promise<Backup> {
  const file = join(installation.home, `backup-${Date.now()}.tar`);
  const begun = performance.now();
  const child = spawn(process.execPath, [CLI, 'backup', file], {
    cwd: installation.home,
    env: installation.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  let isOver = false;
  const closed = once(child, 'close').finally(() => {
    isOver = true;
  });
  const most = { memory: 0, programs: '', node: 0 };
  while (!isOver && child.pid !== undefined) {
    const found = processTree(child.pid).flatMap(({ pid }) => {
      try {
        return [{ pid, program: programOf(pid), pss: readMemory(pid).pss }];
      } catch {
        return []; // it has just ended
      }
    });
    const memory = found.reduce((sum, { pss }) => sum + pss, 0) / MIB;
    if (memory > most.memory) {
      most.memory = memory;
      most.programs = found.map(({ program, pss }) => `${program} ${Math.round(pss / MIB)}`).join(', ');
    }
    for (const { pid, pss } of found) if (pid === child.pid) most.node = Math.max(most.node, pss / MIB);
    await Promise.race([sleep(lookMs), closed]);
  }
  const [code] = await closed;
  if (code !== 0) throw new Error(`the backup failed:\n${said}`);
  rmSync(file);
  return { seconds: (performance.now() - begun) / 1000, ...most };
}

async function start(): Promise<{ installation: Installation; ui: OpenWebui }> {
  const installation = await Installation.prepare(scope);
  const upstream = await startUpstream(scope);
  await installation.writeSettings({
    OPENAI_API_BASE_URL: upstream.url,
    OPENAI_API_KEY: 'sk-bench-key',
    ENABLE_OLLAMA_API: 'false',
    RAG_EMBEDDING_ENGINE: 'openai',
    RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
    RAG_OPENAI_API_BASE_URL: upstream.url,
    RAG_OPENAI_API_KEY: 'sk-bench-key',
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
  });
  const { code, stderr } = await installation.up('--workers', '2', '--admin-email', EMAIL);
  if (code !== 0) throw new Error(`up failed:\n${stderr}`);
  const credentials = { email: EMAIL, password: installation.secret('WEBUI_ADMIN_PASSWORD') };
  const ui = await until(() => OpenWebui.signIn(installation.url, credentials), {
    what: 'a sign-in',
    timeoutMs: 60_000,
    intervalMs: 200,
  });
  return { installation, ui };
}

try {
  const { installation, ui } = await start();
  const list = () =>
    startLoad({
      url: `${installation.url}/api/v1/chats/?page=1`,
      headers: ui.headers,
      connections: CONNECTIONS,
    });
  const little = await backup(installation);
  console.error(`little data: ${little.seconds.toFixed(1)} s`);
  makeUploads(join(installation.folder, 'data', 'uploads'));
  await makeChats(installation.secret('DATABASE_URL'));
  const [without, beside, seconds, loss]: number[][] = [[], [], [], []];
  const all: Backup[] = [];
  const measureQuiet = async () => {
    const quiet = list();
    await sleep(ROUND_MS);
    const report = await quiet.stop();
    without?.push(report.perSecond);
    return report;
  };
  let before = await measureQuiet();
  for (let round = 0; round < ROUNDS; round++) {
    const load = list();
    const made = await backup(installation, RARE_LOOK_MS);
    const during = await load.stop();
    const after = await measureQuiet();
    for (const { failures } of [before, during, after]) {
      if (failures.length > 0) throw new Error(`requests failed: ${failures.join('; ')}`);
    }
    beside?.push(during.perSecond);
    // Both sides of it: the machine may be faster or slower a minute later.
    loss?.push(100 * (1 - (2 * during.perSecond) / (before.perSecond + after.perSecond)));
    seconds?.push(made.seconds);
    all.push(made);
    console.error(
      `round ${round + 1} of ${ROUNDS}: ${[before, during, after].map(({ perSecond }) => perSecond.toFixed(0)).join(' → ')} requests/s, ` +
        `p99 ${[before, during, after].map(({ p99Ms }) => p99Ms.toFixed(0)).join(' → ')} ms; ${made.seconds.toFixed(1)} s; ` +
        `${made.memory.toFixed(0)} MiB (${made.programs}); load ${loadavg()[0]?.toFixed(1)}`,
    );
    before = after;
  }
  const alone = await backup(installation);
  const figures: Figure[] = [
    { what: 'requests, no backup', unit: '1/s', samples: without ?? [] },
    { what: 'requests, backup beside', unit: '1/s', samples: beside ?? [] },
    { what: 'throughput lost', unit: '%', samples: loss ?? [] },
    { what: 'backup beside the load', unit: 's', samples: seconds ?? [] },
    { what: 'backup without load', unit: 's', samples: [alone.seconds] },
    { what: 'memory, little data', unit: 'MiB', samples: [little.memory] },
    { what: 'memory, all data', unit: 'MiB', samples: [...all, alone].map(({ memory }) => memory) },
    { what: 'of which Node, little', unit: 'MiB', samples: [little.node] },
    { what: 'of which Node, all', unit: 'MiB', samples: [...all, alone].map(({ node }) => node) },
  ];
  console.log(
    `\n2 workers, ${CONNECTIONS} connections, ${cpus().length} × ${cpus()[0]?.model}; ` +
      `${formatBytes(UPLOAD_MIB * MIB)} of uploads, ${formatBytes(CHATS_MIB * MIB)} of chats\n\n${renderTable(figures)}\n`,
  );
  const lost = summarize(loss ?? []).median;
  const grown = Math.max(...[...all, alone].map(({ memory }) => memory)) - little.memory;
  console.log(`throughput lost: ${lost.toFixed(0)} % (at most ${LARGEST_LOSS} %)`);
  console.log(`memory for more data: ${grown.toFixed(0)} MiB (at most ${MOST_MEMORY_MIB} MiB)`);
  if (lost > LARGEST_LOSS || grown > MOST_MEMORY_MIB) process.exitCode = 1;
} finally {
  await scope.close();
}
