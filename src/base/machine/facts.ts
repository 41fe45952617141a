/* What the machine has: read by machine/, never guessed. */

export interface MemoryLimit {
  bytes: number;
  /** What the group uses now, without the file cache that the kernel can drop; undefined where unknown. */
  usedBytes?: number;
  /** The kernel's file that says so. */
  source: string;
}

/* What the machine has: read by machine/, never guessed. */

export interface CpuQuota {
  /** CPUs a period, such as 1.5. */
  cores: number;
  source: string;
}

/* What the machine has: read by machine/, never guessed. */

export interface CoreKinds {
  performance: number;
  efficiency: number;
  source: string;
}

/* What the machine has: read by machine/, never guessed. */

/** What is known of a fact by one number, and the kernel's file that says so. */
export interface Sourced {
  value: number;
  source: string;
}

/* What the machine has: read by machine/, never guessed. */

/** A container or a virtual machine around us, by the name of its technology. */
export interface Surrounding {
  name: string;
  source: string;
}

/* What the machine has: read by machine/, never guessed. */

export interface CpuFacts {
  /** Cores that this process may use; two hyper-threads are one core. */
  physicalCores: number;
  /** Logical CPUs that this process may use. */
  logicalCpus: number;
  /** Logical CPUs of the machine. */
  machineCpus: number;
  source: string;
  /** How many of the physical cores are fast and how many are frugal; undefined: all alike, or nobody says. */
  kinds?: CoreKinds;
  /** What leaves us fewer CPUs than the machine has: affinity or a cpuset. Undefined: nothing. */
  allowed?: { cpus: number; source: string };
  /** Undefined: no limit. */
  quota?: CpuQuota;
}

/* What the machine has: read by machine/, never guessed. */

export interface MemoryFacts {
  totalBytes: number;
  /** What new processes can take without swapping, in the machine and in every limit around us. */
  availableBytes: number;
  swapBytes: number;
  /** Undefined where nobody says. */
  swapFreeBytes?: number;
  source: string;
  /** The tightest limit around us; undefined: none. */
  limit?: MemoryLimit;
  /** What a running cluster of this installation holds now: a new plan may count on it again. */
  ownBytes?: number;
}

/* What the machine has: read by machine/, never guessed. */

export interface MachineFacts {
  /** Node's `process.platform`. */
  platform: string;
  /** In the words of Node's `process.arch`; `unknown` where another machine's files do not say. */
  architecture: string;
  architectureSource?: string;
  cpu: CpuFacts;
  memory: MemoryFacts;
  /** Undefined: none that can be seen from inside. */
  container?: Surrounding;
  vm?: Surrounding;
  /** Files and sockets that a process may have open; the hard limit, as far as it may raise its own. */
  openFiles?: Sourced;
  /** Connections that may wait to be accepted on one socket. */
  somaxconn?: Sourced;
  /** What could not be read, and what was assumed instead. */
  notes: string[];
}
