/** What people are told of the number of workers: the file outlives the process that decides, which counts on in it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_FOLDER } from '../contract.ts';
import { processName } from '../supervisor/history.ts';
import { writeWhole } from '../whole-file.ts';
import type { Range, ScaleCause } from './decide.ts';

/** How many changes are kept; the oldest go first. */
const KEPT = 20;

export interface ScaleChange {
  /** Milliseconds since 1970. */
  at: number;
  from: number;
  to: number;
  cause: ScaleCause;
  /** The same in words. */
  detail: string;
}

export interface ScaleTold extends Range {
  /** The process that decides: its pid and start time (supervisor/history.ts, processName). */
  decider: string;
  /** Changes since the file was first written, by cause. */
  counts: Partial<Record<ScaleCause, number>>;
  /** The newest is last. */
  changes: readonly ScaleChange[];
  /** Why there is no change though the load asks for one. */
  holding?: string;
}

export function toldPath(folder: string): string {
  return join(folder, RUN_FOLDER.scale);
}

/** What was told last; undefined: nothing, or the file cannot be read. */
export function readTold(folder: string): ScaleTold | undefined {
  try {
    const told = JSON.parse(readFileSync(toldPath(folder), 'utf8')) as Partial<ScaleTold>;
    const { decider = '', least, most, counts = {}, changes = [], holding } = told;
    if (typeof least !== 'number' || typeof most !== 'number') return undefined;
    return { decider, least, most, counts, changes, ...(holding !== undefined && { holding }) };
  } catch {
    return undefined;
  }
}

/** The same, where whoever told it decides still; otherwise the number of workers is what it is. */
export function readInForce(folder: string): ScaleTold | undefined {
  const told = readTold(folder);
  return told && processName(Number.parseInt(told.decider, 10)) === told.decider ? told : undefined;
}

export function writeTold(folder: string, told: ScaleTold): void {
  writeWhole(toldPath(folder), told);
}

export function withChange(told: ScaleTold, change: ScaleChange): ScaleTold {
  const { holding: _, ...rest } = told;
  return {
    ...rest,
    counts: { ...told.counts, [change.cause]: (told.counts[change.cause] ?? 0) + 1 },
    changes: [...told.changes, change].slice(-KEPT),
  };
}
