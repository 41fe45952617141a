import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFaketime } from '../../scripts/faketime.mjs';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive, type ProcessInfo, readProcess } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startCluster } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { chaosPreset, HANG_SECONDS } from '../preset.ts';

const HOUR = 3_600;

/** Milliseconds: the library reads the file once a second. */
const SET_TIMEOUT_MS = 15_000;
const NEAR_SECONDS = 60;

const MISSING =
  'libfaketime is missing: node scripts/prepare.mjs unpacks it (Debian: apt-get install libfaketime)';

/** Where the library reads by how many seconds the clock is wrong. The machine's own clock is left alone. */
let offsetFile: string | undefined;

export const clock: ChaosEvent = {
  name: 'clock',
  title:
    'the clock of all processes of the cluster is set back by an hour, then forward by two, then right again',
  holds: 'no worker is replaced, no request fails, no answer is cut, who has signed in stays signed in',
  missing: () => (findFaketime() === undefined ? MISSING : undefined),
  runs: { long: 3, short: 1 },
  async start(scope, workers, form) {
    const library = findFaketime();
    if (library === undefined) throw new Error(MISSING);
    const folder = await temporaryFolder(scope, 'clock');
    offsetFile = join(folder, 'offset');
    setOffset(0);
    return startCluster(scope, {
      workers,
      args: ['--preset', await chaosPreset(scope, form)],
      environment: {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: offsetFile,
        FAKETIME_CACHE_DURATION: '1',
        // As the kernel has it: a clock that is set leaves the monotonic one and the times of files as they are.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        NO_FAKE_STAT: '1',
      },
    });
  },
  async run(site, runs) {
    const { cluster, ui, load, say } = site;
    const violations: string[] = [];
    const servesAgainMs: number[] = [];
    const before = [...cluster.pythonWorkers(), ...(await supervisorsOf(site))];
    for (let run = 0; run < runs; run++) {
      for (const [offset, words] of [
        [-HOUR, 'an hour back'],
        [HOUR, 'two hours forward'],
        [0, 'right again'],
      ] as const) {
        const fresh = await OpenWebui.signIn(cluster.url, cluster.services.admin);
        const begun = performance.now();
        setOffset(offset);
        await untilTold(site, offset);
        await load.proceed(50);
        servesAgainMs.push(performance.now() - begun);
        // Longer than a worker may be silent.
        await sleep(HANG_SECONDS[site.form] * 1000 + 5_000);
        for (const [who, { headers }] of [
          ['who had signed in at first', ui],
          ['who had signed in right before', fresh],
        ] as const) {
          const { status } = await request(`${cluster.url}/api/v1/auths/`, { headers });
          if (status !== 200) violations.push(`${words}: ${who} got ${status}`);
        }
        const ended = before.filter((process) => !isAlive(process)).length;
        if (ended > 0) violations.push(`${words}: ${ended} processes ended`);
        say(`${words}: ${cluster.pythonWorkers().length} workers`);
      }
    }
    return { servesAgainMs, violations };
  },
};

/** Seconds; the library never sees half a file. */
function setOffset(seconds: number): void {
  if (offsetFile === undefined) throw new Error('the cluster has not been started');
  writeFileSync(`${offsetFile}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  renameSync(`${offsetFile}.new`, offsetFile);
}

/** Waits until the workers tell that time: each answer has it in its head. */
async function untilTold({ cluster, workers }: Site, offset: number): Promise<void> {
  const tellsIt = async () => {
    // On a new connection each, so that another worker may answer.
    const answers = await Promise.all(
      Array.from({ length: 4 * workers }, () => request(`${cluster.url}/health`)),
    );
    return answers.every(({ headers }) => {
      const wrong = (Date.parse(headers.date ?? '') - Date.now()) / 1000 - offset;
      return Math.abs(wrong) < NEAR_SECONDS;
    });
  };
  await until(tellsIt, { what: `the workers’ clock is wrong by ${offset} s`, timeoutMs: SET_TIMEOUT_MS });
}

async function supervisorsOf({ cluster }: Site): Promise<ProcessInfo[]> {
  const pids = [...(await cluster.instances()), await cluster.preload()].map(({ pid }) => pid);
  return pids.flatMap((pid) => readProcess(pid) ?? []);
}
