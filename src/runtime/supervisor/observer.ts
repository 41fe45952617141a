/**
 * Writes down the memory that an instance really takes, in bytes, for the next plan (contract.ts, OBSERVED): the largest
 * private memory that its workers had in real use, and what the rest of the tree takes.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../base/units.ts';
import { leavesRoom, OBSERVED, RUN_FOLDER } from '../contract.ts';
import { writeWhole } from '../whole-file.ts';
import { processName } from './history.ts';
import { readMemory } from './memory.ts';
import { type InstanceRecord, instanceOfRecord } from './report.ts';

/** What the file of an instance holds. */
export interface ObservedInstance {
  /** The generation that its workers come from. */
  generation: string;
  /** When it was written: ISO 8601, UTC. */
  at: string;
  /** The tree without the private memory of its workers and supervisors. */
  base: number;
  /** Private memory of the largest worker before it had served much. */
  idle: number;
  /** Private memory of the largest worker that had served much; undefined where none had. */
  worker?: number;
  /** Private memory of this supervisor. */
  supervisor: number;
}

/** A worker at one moment; memory is private, in MiB. */
export interface Look {
  pid: number;
  generation: string;
  memory: number;
  /** Memory when it had just become ready; 0 where that is not known, because the worker was taken over. */
  firstMemory: number;
  /** Memory at which it is replaced. */
  limit: number;
  /** HTTP requests that it has served. */
  requests: number;
}

/** Requests after which a worker's memory counts as real use: fewer than one page with its files and one chat make. */
const EVIDENCE = 100;

/**
 * A worker that has used more than this share of the room between its first memory and its limit seems to leak. Its memory
 * says nothing about the next worker.
 */
const LEAKING = 0.8;

/** MiB by which a worker must grow before the file is written again. */
const STEP = 1;

export class Observer {
  readonly #folder: string;
  readonly #instance: string;
  readonly #onFailed: (reason: string) => void;
  #generation = '';
  /** MiB: largest worker before real use; largest earlier worker in real use; present worker in real use. */
  #idle = 0;
  #former = 0;
  #pid = 0;
  #present = 0;
  #written: { idle: number; worker: number } | undefined;

  constructor(folder: string, instance: string, onFailed: (reason: string) => void) {
    this.#folder = folder;
    this.#instance = instance;
    this.#onFailed = onFailed;
  }

  look(seen: Look): void {
    if (seen.generation !== this.#generation) this.#begin(seen.generation);
    if (seen.pid !== this.#pid) {
      this.#former = Math.max(this.#former, this.#present);
      this.#present = 0;
      this.#pid = seen.pid;
    }
    if (leaks(seen)) this.#present = 0;
    else if (seen.requests >= EVIDENCE) this.#present = Math.max(this.#present, seen.memory);
    else this.#idle = Math.max(this.#idle, seen.memory);
    const worker = Math.max(this.#former, this.#present);
    const before = this.#written;
    if (before && Math.abs(worker - before.worker) < STEP && this.#idle - before.idle < STEP) return;
    this.#written = { idle: this.#idle, worker };
    this.#write(worker);
  }

  /** Continues from what an earlier supervisor of the instance saw of this generation. */
  #begin(generation: string): void {
    this.#generation = generation;
    this.#idle = this.#former = this.#present = this.#pid = 0;
    this.#written = undefined;
    try {
      const kept = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<ObservedInstance>;
      if (kept.generation !== generation) return;
      if (Number.isFinite(kept.idle)) this.#idle = Number(kept.idle) / MIB;
      if (Number.isFinite(kept.worker)) this.#former = Number(kept.worker) / MIB;
    } catch {
      // There is no file yet, or it cannot be read.
    }
  }

  get #path(): string {
    return join(this.#folder, OBSERVED.instance(this.#instance));
  }

  #write(worker: number): void {
    const own = readMemory(process.pid);
    const base = own && baseOf(this.#folder);
    if (base === undefined) return; // the kernel does not say
    const bytes = (mib: number) => Math.round(mib * MIB);
    const kept: ObservedInstance = {
      generation: this.#generation,
      at: new Date().toISOString(),
      base: bytes(base),
      idle: bytes(this.#idle || worker),
      ...(worker > 0 && { worker: bytes(worker) }),
      supervisor: bytes(own?.private ?? 0),
    };
    try {
      writeWhole(this.#path, kept);
    } catch (error) {
      this.#onFailed(error instanceof Error ? error.message : String(error));
    }
  }
}

function leaks({ memory, firstMemory, limit }: Look): boolean {
  const isEnforced = Number.isFinite(limit) && leavesRoom(limit, firstMemory);
  return isEnforced && memory > firstMemory + LEAKING * (limit - firstMemory);
}

/**
 * MiB of the tree without the private memory of its workers and supervisors; undefined where there is no preload process.
 * The sum of the proportional memory (PSS) is too low where foreign processes map Python's libraries too; then the resident
 * memory of the preload process is larger, and the true figure. Of Node's program only the share counts, because the process
 * manager has it in memory anyway.
 */
function baseOf(folder: string): number | undefined {
  const preload = readMemory(pidIn(folder, RUN_FOLDER.lock));
  if (!preload) return undefined;
  const { workers, supervisors } = processesOf(folder);
  const node = sharesOf(supervisors);
  return node + Math.max(preload.proportional + sharesOf(workers), preload.resident);
}

/** MiB of their shares of shared pages. */
function sharesOf(pids: readonly number[]): number {
  const memories = pids.flatMap((pid) => readMemory(pid) ?? []);
  return memories.reduce((sum, { proportional, private: own }) => sum + proportional - own, 0);
}

/** Workers that serve and their supervisors, from the records of all instances. */
function processesOf(folder: string): { workers: number[]; supervisors: number[] } {
  const pairs = readdirSync(folder).flatMap((name) => {
    if (instanceOfRecord(name) === undefined) return [];
    try {
      const { serving } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as InstanceRecord;
      const supervisor = Number.parseInt(serving?.supervisor ?? '', 10);
      // The supervisor may have ended, and another process may have its pid.
      if (!serving || processName(supervisor) !== serving.supervisor) return [];
      return [{ worker: serving.worker, supervisor }];
    } catch {
      return []; // it is being written, or another version of ours wrote it
    }
  });
  return {
    workers: pairs.map(({ worker }) => worker),
    supervisors: pairs.map(({ supervisor }) => supervisor),
  };
}

function pidIn(folder: string, name: string): number {
  try {
    return Number.parseInt(readFileSync(join(folder, name), 'utf8'), 10) || 0;
  } catch {
    return 0;
  }
}
