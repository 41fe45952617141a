import { LEVELS } from './model.ts';

/** What one piece of work costs in all processes. */
export interface Cost {
  /** Milliseconds of CPU time of all Python workers together. */
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
 * The figures behind docs/scaling.md and the formats for other hosts, with their sources. Measured with Open WebUI 0.12.4,
 * Python 3.11, PostgreSQL 15 and Redis 7 on Linux x86-64 with two cores, unless stated otherwise.
 *
 * `request` to `event` come from one run of `npm run bench:capacity` with two workers, on a machine that was not idle: counts
 * and bytes are not affected, CPU times are upper bounds (an API call took 17.7 ms there; one worker alone takes 10.8 ms, and
 * serves 93 a second).
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
    cpuMs: 17.7,
    transactions: 8.2,
    redisCommands: 22.2,
    redisBytes: 1_933,
    networkBytes: 4_429,
  },
  /** A question in a new chat, its answer of `chatTokens` tokens in events of five, and the chat's title. */
  chat: {
    cpuMs: 581,
    transactions: 129,
    redisCommands: 1_234,
    redisBytes: 299_234,
    // The test's answers repeat themselves and are compressed: real answers take more.
    networkBytes: 4_199,
  },
  chatTokens: 300,
  /** Bytes of the database for such a chat. */
  chatDatabaseBytes: 10_035,
  /** A page's WebSocket: its connection, and joining the user's room. */
  opening: {
    cpuMs: 38.7,
    transactions: 20.6,
    redisCommands: 13.9,
    redisBytes: 2_169,
    networkBytes: 1_675,
  },
  /** Bytes of a worker's private memory for each open page. */
  pageBytes: 94 * 1024,
  /** A page that is open and silent, for a second. */
  idleSecond: {
    cpuMs: 0.43,
    transactions: 0.35,
    redisCommands: 0.087,
    redisBytes: 7.2,
    networkBytes: 1.3,
  },
  /** An event of another worker, for each worker that reads and drops it. */
  event: { cpuMs: 0.088, redisBytes: 623 },
  /** Tokens in an event (CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE, as it is planned). */
  eventTokens: 5,
} as const satisfies Record<string, number | Cost | Pick<Cost, 'cpuMs' | 'redisBytes'>>;
