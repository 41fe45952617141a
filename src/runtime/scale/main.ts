/**
 * The app that PM2 or systemd runs beside the workers with a range (`--workers 1..4`): it looks at them every two seconds,
 * and adds one or takes one away as decide.ts says. What it knows is in its memory: after a restart it begins anew.
 *
 * Of the package it uses what needs nothing but Node, because it runs to save memory.
 */

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning } from '../../base/machine/process-table.ts';
import { MIB } from '../../base/units.ts';
import { ENV, EXIT_CANNOT_BOOT } from '../contract.ts';
import { markSpare, processName } from '../supervisor/history.ts';
import { type Because, changed, decide, initialScale, LOOK_SECONDS, type Range } from './decide.ts';
import { Looker, type ServingInstance } from './look.ts';
import { pm2Manager } from './manager-pm2.ts';
import { systemdManager } from './manager-systemd.ts';
import { readTold, type ScaleTold, withChange, writeTold } from './told.ts';

const {
  [ENV.controlSocket]: controlSocket,
  [ENV.port]: port,
  [ENV.leastWorkers]: least,
  [ENV.mostWorkers]: most,
  [ENV.workerMemory]: workerMemory,
} = process.env;

/** Milliseconds after which an instance that was to be taken away must at least drain. */
const LEAVE_MS = 60_000;

function say(text: string): void {
  process.stdout.write(`[scale] ${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`[scale] ${text}\n`);
}

async function run(folder: string, range: Range): Promise<never> {
  // As the supervisors tell them apart (supervisor/find-host.ts); systemd gives this variable to every service.
  const isSystemd = process.env.INVOCATION_ID !== undefined && !process.send;
  const manager = isSystemd ? systemdManager(folder) : pm2Manager(process.env, complain);
  const looker = new Looker({
    folder,
    port: Number(port),
    workerBytes: Number(workerMemory) * MIB,
  });
  let state = initialScale;
  let leaving: ServingInstance | undefined;
  let leavingUntil = 0;
  const { counts = {}, changes = [] } = readTold(folder) ?? {};
  const decider = processName(process.pid) ?? String(process.pid);
  let told: ScaleTold = { decider, ...range, counts, changes };

  function tell(next: ScaleTold): void {
    told = next;
    // The preload process makes the folder.
    if (!existsSync(folder)) return;
    try {
      writeTold(folder, told);
    } catch (error) {
      complain(`webui-tune top cannot be told: ${String(error)}`);
    }
  }

  /** `isNews`: the load asks for a change, and something prevents it. */
  function hold(reason: string | undefined, isNews: boolean): void {
    if (reason === told.holding) return;
    if (reason !== undefined && isNews) say(`no change: ${reason}`);
    const { holding: _, ...rest } = told;
    tell({ ...rest, ...(reason !== undefined && { holding: reason }) });
  }

  async function change(by: 1 | -1, because: Because, serving: readonly ServingInstance[]): Promise<void> {
    const [from, to] = [serving.length, serving.length + by];
    const which = by < 0 ? manager.leaving(serving) : undefined;
    const refused = await (which ? manager.shrink(serving, which) : manager.grow(serving)).catch(String);
    if (refused !== undefined) {
      // The load is still the same: it is tried again.
      state = { ...state, settled: 0 };
      return hold(`one ${by > 0 ? 'more' : 'fewer'} is wanted, and ${refused}`, true);
    }
    state = changed(state, by, from);
    leaving = which;
    leavingUntil = performance.now() + LEAVE_MS;
    say(`${from} → ${to} workers${which ? `, without instance ${which.instance}` : ''}: ${because.detail}`);
    tell(withChange(told, { at: Date.now(), from, to, ...because }));
  }

  say(`${range.least} to ${range.most} workers, as the load asks for`);
  tell(told);
  for (;;) {
    await sleep(LOOK_SECONDS * 1000);
    const { look, serving } = await looker.look();
    if (leaving && !isRunning(leaving.pid)) {
      markSpare(folder, leaving.instance);
      leaving = undefined;
    } else if (
      leaving &&
      performance.now() > leavingUntil &&
      serving.some(({ pid }) => pid === leaving?.pid)
    ) {
      complain(`instance ${leaving.instance} was to be taken away, and still serves`);
      leaving = undefined;
    }
    const underWay = leaving ? `instance ${leaving.instance} drains` : manager.underWay();
    const [next, decision] = decide(
      state,
      {
        ...look,
        // Where this process did not run, the workers were not looked at.
        seconds: Math.min(look.seconds, 2 * LOOK_SECONDS),
        leaving: manager.leaving(serving)?.generating ?? 0,
        ...(underWay !== undefined && { unsettled: underWay }),
      },
      range,
    );
    state = next;
    if (decision.by !== 0 && decision.because) await change(decision.by, decision.because, serving);
    else hold(decision.holding, underWay === undefined && look.unsettled === undefined);
  }
}

const range = { least: Number(least), most: Number(most) };
if (!controlSocket || !(range.least > 0 && range.most >= range.least) || !(Number(port) > 0)) {
  complain(
    `${ENV.controlSocket}, ${ENV.port}, ${ENV.leastWorkers} or ${ENV.mostWorkers} is not set: PM2 starts this, from the file that webui-tune writes`,
  );
  process.exitCode = EXIT_CANNOT_BOOT;
} else {
  run(dirname(controlSocket), range).catch((error: unknown) => {
    complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  });
}
