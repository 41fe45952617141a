/**
 * Keeps what an instance really takes, in a file that the next plan is made with (contract.ts, OBSERVED): the largest
 * private memory that its workers have had in real use, and what the whole tree shares beside them. All in bytes.
 */

import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LEAST_GROWTH, OBSERVED } from '../contract.ts';
import { processName } from './history.ts';
import { readMemory } from './memory.ts';
import { type InstanceRecord, instanceOfRecord } from './report.ts';

/** What the file of an instance holds. */
export interface ObservedInstance {
  /** The start of the preload process that its workers come from. */
  generation: string;
  /** When it was written: ISO 8601, UTC. */
  at: string;
  /** The tree without the private memory of its workers and supervisors. */
  base: number;
  /** Private memory of the largest worker before it had served much. */
  idle: number;
  /** The same of the largest that had served; undefined: none has. */
  worker?: number;
  /** Private memory of this supervisor. */
  supervisor: number;
}

/** A worker at one moment; memory is private, in MiB. */
export interface Look {
  pid: number;
  generation: string;
  memory: number;
  /** When it had just become ready; 0: nobody knows, because it was taken over. */
  firstMemory: number;
  /** At which it is replaced. */
  limit: number;
  /** HTTP requests that it has served. */
  requests: number;
}

const MIB = 2 ** 20;

/** Requests after which a worker's memory says what workers take: less than one page with its files and one chat are. */
const EVIDENCE = 100;

/**
 * Share of the room between its first memory and its limit beyond which a worker leaks, as it seems: how much it takes
 * says nothing of the next one.
 */
const LEAKING = 0.8;

/** MiB by which a worker must have grown for the file to be written again. */
const STEP = 1;

export class Observer {
  readonly #folder: string;
  readonly #instance: string;
  readonly #onFailed: (reason: string) => void;
  #generation = '';
  /** MiB: of the workers before the present one, and of that one, in both of the file's ways to count. */
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

  /** What an earlier supervisor of the instance has seen of this generation counts on. */
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
      // There is none yet, or it is of no use.
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
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, JSON.stringify(kept), { mode: 0o600 });
      renameSync(temporary, this.#path);
    } catch (error) {
      this.#onFailed(error instanceof Error ? error.message : String(error));
    }
  }
}

function leaks({ memory, firstMemory, limit }: Look): boolean {
  const isEnforced = Number.isFinite(limit) && firstMemory * (1 + LEAST_GROWTH) <= limit;
  return isEnforced && memory > firstMemory + LEAKING * (limit - firstMemory);
}

/**
 * MiB of the tree without what is private to workers and supervisors. By the shares of pages (`Pss`) that is what all
 * hold together; where others map Python's libraries too, what the preload process would hold alone is more, and true.
 * Node's program is counted by its share, because the process manager has it in memory anyway. Undefined where there is no
 * preload process.
 */
function baseOf(folder: string): number | undefined {
  const preload = readMemory(pidIn(folder, 'preload.lock'));
  if (!preload) return undefined;
  const { workers, supervisors } = processesOf(folder);
  const node = sharesOf(supervisors);
  return node + Math.max(preload.proportional + sharesOf(workers), preload.resident);
}

/** Their shares of what others have too. */
function sharesOf(pids: readonly number[]): number {
  const memories = pids.flatMap((pid) => readMemory(pid) ?? []);
  return memories.reduce((sum, { proportional, private: own }) => sum + proportional - own, 0);
}

/** Workers that serve and their supervisors, by the records of all instances. */
function processesOf(folder: string): { workers: number[]; supervisors: number[] } {
  const pairs = readdirSync(folder).flatMap((name) => {
    if (instanceOfRecord(name) === undefined) return [];
    try {
      const { serving } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as InstanceRecord;
      const supervisor = Number.parseInt(serving?.supervisor ?? '', 10);
      // What is left of one that has ended may name a process of somebody else's by now.
      if (!serving || processName(supervisor) !== serving.supervisor) return [];
      return [{ worker: serving.worker, supervisor }];
    } catch {
      return []; // it is being written, or of another version of ours
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
