import { LEVELS } from './model.ts';

/** What one piece of work costs in all processes. */
export interface Cost {
  /** Milliseconds of CPU time of all Python workers together. */
  cpuMs: number;
  /** Transactions of PostgreSQL. */
  transactions: number;
  redisCommands: number;
  /** Milliseconds of CPU time of Redis. */
  redisCpuMs: number;
  /** Bytes to and from Redis. */
  redisBytes: number;
}

/**
 * The figures behind docs/scaling.md and the formats for other hosts, with their sources. Measured with Open WebUI 0.12.4,
 * Python 3.11, PostgreSQL 15 and Redis 7 on Linux x86-64 with two cores, unless stated otherwise.
 *
 * `request` to `session` come from `npm run bench:capacity` with two workers and their shortcuts. Beside other
 * programs, CPU times are higher than on an idle machine; counts and bytes are the same.
 */
export const MEASURED = {
  /** Bytes of a whole process that serves alone, after its first requests: it shares its memory with nobody. */
  processBytes: LEVELS.none.base + LEVELS.none.worker,
  /** Bytes that a local embedding model adds to each process (all-MiniLM-L6-v2 on the CPU). */
  embeddingBytes: LEVELS.none.embedding,
  /** Seconds from the start of a process until it serves; 13.7 of them are the import. */
  bootSeconds: 16,

  /** GET /api/v1/chats/?page=1, over a connection that is kept alive. */
  request: { cpuMs: 6.6, transactions: 4.1, redisCommands: 3.9, redisCpuMs: 0.12, redisBytes: 353 },
  /**
   * A question in a new chat, which the page then shows, its answer of `chatTokens` tokens at 50 a second, beside 19 others,
   * and the chat's title. Another worker than the one that holds the page generates the answer.
   */
  chat: { cpuMs: 177, transactions: 83.8, redisCommands: 390, redisCpuMs: 5.4, redisBytes: 352_683 },
  chatTokens: 300,
  /** Bytes of the database for such a chat. */
  chatDatabaseBytes: 11_469,
  /**
   * A page: its WebSocket, joining the user's room, showing a chat, and its end. 1,000 were opened, and what those took that
   * were open already is subtracted by an estimate of their time (39 s each); the end is that of 40 pages.
   */
  opening: { cpuMs: 38, transactions: 17, redisCommands: 43, redisCpuMs: 1.6, redisBytes: 9_158 },
  /** Bytes of a worker's private memory for each open page. */
  pageBytes: 80 * 1024,
  /** A page that is open and sends its heartbeats, for a second. */
  idleSecond: {
    cpuMs: 0.325,
    transactions: 0.176,
    redisCommands: 0.185,
    redisCpuMs: 0.0089,
    redisBytes: 50.3,
  },
  /**
   * Each session of a page that is read to tell who has a chat open (shortcuts/presence.py reads few of them): of 10,000 in
   * Redis, Open WebUI's own function in a process of its own (docs/speed.md).
   */
  session: { cpuMs: 0.003, transactions: 0, redisCommands: 0.005, redisCpuMs: 0.00118, redisBytes: 588 },
} as const satisfies Record<string, number | Cost>;
