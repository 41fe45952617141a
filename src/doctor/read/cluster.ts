import { dirname } from 'node:path';
import { isReady } from '../../base/io/address.ts';
import { namesIn } from '../../base/io/read.ts';
import { readKernelFile } from '../../base/machine/files.ts';
import { readMemory } from '../../base/machine/process-memory.ts';
import { memoryOf, type Process, processesWith } from '../../base/machine/processes.ts';
import { openFilesOf, readSockets, socketsOf } from '../../base/machine/sockets.ts';
import { readTimes } from '../../base/machine/usage.ts';
import { RUN_FOLDER, WORKER_PROCESS } from '../../runtime/contract.ts';
import { parseSocketName } from '../../runtime/supervisor/report.ts';

export interface PythonProcess {
  pid: number;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** The start of the preload process that it comes from; undefined where it shows none. */
  generation?: string;
  /** Inodes of the sockets that it holds: those that listen on the port, and those that are connected. */
  listening: readonly string[];
  connected: readonly string[];
}

export interface ClusterFacts {
  address: { host: string; port: number };
  preload?: PythonProcess;
  workers: readonly PythonProcess[];
  /** What /ready says: the start is over, the database and Redis answer. */
  isReady: boolean;
  /** Bytes of all its processes, shared pages counted once. */
  bytes: number;
  /** Bytes of private memory: of each worker, and of each process of Node that supervises one. */
  private: { workers: readonly number[]; supervisors: readonly number[] };
}

/** The processes that were started with this control socket; undefined: none runs. */
export async function readCluster(
  socket: string,
  address: { host: string; port: number },
): Promise<ClusterFacts | undefined> {
  const processes = processesWith('/', socket);
  const python = processes.filter(({ command }) =>
    command.some((word) => /preload\.py$|serve\.py$/.test(word)),
  );
  if (python.length === 0) return undefined;
  const sockets = readSockets('/');
  const facts = python.map((process) => {
    const entries = [...socketsOf('/', process.pid)].flatMap((inode) => sockets.get(inode) ?? []);
    const inodes = (state: string, port?: number) =>
      entries
        .filter((entry) => entry.state === state && (port === undefined || entry.localPort === port))
        .map(({ inode }) => inode);
    return {
      isWorker: readKernelFile('/', `proc/${process.pid}/comm`) === WORKER_PROCESS,
      process: {
        ...lifeOf(process),
        listening: inodes('listening', address.port),
        connected: inodes('connected'),
      },
    };
  });
  const preload = facts.find(({ isWorker }) => !isWorker)?.process;
  return {
    address,
    ...(preload && { preload }),
    workers: facts.filter(({ isWorker }) => isWorker).map(({ process }) => process),
    isReady: await isReady(address),
    bytes: memoryOf('/', processes),
    private: {
      workers: privateOf(facts.flatMap(({ isWorker, process }) => (isWorker ? [process] : []))),
      supervisors: privateOf(supervisorsAmong(processes, socket)),
    },
  };
}

/**
 * Supervisors among the running processes. Each listens on a socket beside the control socket, whose name has its pid.
 */
function supervisorsAmong(processes: readonly Process[], socket: string): Process[] {
  const pids = new Set(namesIn(dirname(socket)).map((name) => parseSocketName(name)?.pid));
  return processes.filter(({ pid }) => pids.has(pid));
}

/** A process that has ended meanwhile is left out. */
function privateOf(processes: readonly { pid: number }[]): number[] {
  return processes.flatMap(({ pid }) => {
    try {
      return [readMemory(pid).private];
    } catch {
      return [];
    }
  });
}

const GENERATION_LOCK = new RegExp(`/${RUN_FOLDER.generation}([^/]+)/${RUN_FOLDER.generationLock}$`);

/** Each holds the lock of its generation open: run/ID/generation-NAME/lock. */
function lifeOf({ pid }: Process): Pick<PythonProcess, 'pid' | 'startedAt' | 'generation'> {
  const generation = openFilesOf('/', pid)
    .map(({ target }) => GENERATION_LOCK.exec(target)?.[1])
    .find((name) => name !== undefined);
  const startedAt = readTimes('/', pid)?.startedAt ?? 0;
  return { pid, startedAt, ...(generation !== undefined && { generation }) };
}
