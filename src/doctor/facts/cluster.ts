import { readKernelFile } from '../../machine/files.ts';
import { memoryOf, type Process, processesWith } from '../../machine/processes.ts';
import { openFilesOf, readSockets, socketsOf } from '../../machine/sockets.ts';
import { isReady } from '../../up/cluster.ts';

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
}

/** Name that a worker gives itself (preload/webui_preload/worker.py, _name_process). */
const WORKER = 'webui-worker';

/** Ticks a second of the times in /proc (Linux: USER_HZ, 100 on every architecture that Node runs on). */
const TICKS = 100;

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
      isWorker: readKernelFile('/', `proc/${process.pid}/comm`) === WORKER,
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
  };
}

/** Each holds the lock of its generation open: run/ID/generation-NAME/lock. */
function lifeOf({ pid }: Process): Pick<PythonProcess, 'pid' | 'startedAt' | 'generation'> {
  const generation = openFilesOf('/', pid)
    .map(({ target }) => /\/generation-([^/]+)\/lock$/.exec(target)?.[1])
    .find((name) => name !== undefined);
  return { pid, startedAt: startOf(pid), ...(generation !== undefined && { generation }) };
}

/** proc_pid_stat(5): field 22, counted after the name, which may hold anything. */
function startOf(pid: number): number {
  const stat = readKernelFile('/', `proc/${pid}/stat`) ?? '';
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
  const boot = Number(/^btime (\d+)$/m.exec(readKernelFile('/', 'proc/stat') ?? '')?.[1] ?? 0);
  return (boot + ticks / TICKS) * 1000;
}
