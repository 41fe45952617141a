import { LEVELS } from '../plan/model.ts';

/** What one piece of work takes, everywhere. */
export interface Cost {
  /** Milliseconds of CPU time of Python workers, all of them together. */
  cpuMs: number;
  /** Transactions of PostgreSQL. */
  transactions: number;
  redisCommands: number;
  /** Bytes to and from Redis. */
  redisBytes: number;
  /** Bytes between browsers and workers, both ways. */
  networkBytes: number;
}

/**
 * The figures that formats for other hosts and `webui-tune capacity` compute with, and where each comes from: this file is
 * their only home. Open WebUI 0.12.4, Python 3.11, PostgreSQL 15, Redis 7, Linux x86-64, two cores, if nothing else is said.
 *
 * `request` to `event` are of `npm run bench:capacity` with two workers, on a machine that others kept busy: counts and
 * bytes do not mind, CPU time is an upper bound (an API call took 22.7 ms there, and 10.8 on the machine alone).
 */
export const MEASURED = {
  /** Bytes of a whole process that serves alone, after its first requests: it shares its memory with nobody. */
  processBytes: LEVELS.none.base + LEVELS.none.worker,
  /** Bytes that a local embedding model adds to each process (all-MiniLM-L6-v2 on the CPU). */
  embeddingBytes: LEVELS.none.embedding,
  /** Seconds from the start of a process until it serves; 13.7 of them are the import. */
  bootSeconds: 16,

  /** GET /api/v1/chats/?page=1, over a connection that is kept alive. */
  request: {
    cpuMs: 22.7,
    transactions: 8.6,
    redisCommands: 22.3,
    redisBytes: 1_940,
    networkBytes: 4_412,
  },
  /** A question in a new chat, its answer of `chatTokens` tokens in events of five, and the chat's title. */
  chat: {
    cpuMs: 542,
    transactions: 146,
    redisCommands: 1_238,
    redisBytes: 304_112,
    // The test's answers repeat themselves, and are compressed on their way: words of people take more.
    networkBytes: 4_200,
  },
  chatTokens: 300,
  /** Bytes of the database for such a chat. */
  chatDatabaseBytes: 11_264,
  /** A page's WebSocket: its connection, and joining the user's room. */
  opening: {
    cpuMs: 43.6,
    transactions: 20.7,
    redisCommands: 13.9,
    redisBytes: 2_424,
    networkBytes: 1_680,
  },
  /** Bytes of a worker's private memory for each open page. */
  pageBytes: 96 * 1024,
  /** A page that is open and silent, for a second. */
  idleSecond: {
    cpuMs: 0.43,
    transactions: 0.2,
    redisCommands: 0.075,
    redisBytes: 6.1,
    networkBytes: 1.35,
  },
  /** An event of another worker, for each worker that reads and drops it. */
  event: { cpuMs: 0.196, redisBytes: 625 },
  /** Tokens in an event (CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE, as it is planned). */
  eventTokens: 5,
} as const satisfies Record<string, number | Cost | Pick<Cost, 'cpuMs' | 'redisBytes'>>;
