import { LEVELS } from '../plan/model.ts';

/**
 * The figures that formats for other hosts and `webui-tune capacity` compute with, and where each comes from. Open WebUI
 * 0.12.4, Python 3.11, PostgreSQL 15, Redis 7, Linux x86-64, two cores, if nothing else is said.
 */
export const MEASURED = {
  /** Bytes of a whole process that serves alone, after its first requests: it shares its memory with nobody. */
  processBytes: LEVELS.none.base + LEVELS.none.worker,
  /** Bytes that a local embedding model adds to each process (all-MiniLM-L6-v2 on the CPU). */
  embeddingBytes: LEVELS.none.embedding,
  /** Seconds from the start of a process until it serves; 13.7 of them are the import. */
  bootSeconds: 16,
} as const;
