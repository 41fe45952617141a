/** What the Python half answers, as far as it is read here; webui_migrate/messages.py says what the fields mean. */
import { z } from 'zod';

export const Progress = z.object({
  step: z.string(),
  done: z.number(),
  total: z.number(),
  unit: z.string(),
  table: z.string().optional(),
});
export type Progress = z.infer<typeof Progress>;

export const Finding = z.object({
  table: z.string(),
  key: z.string().nullable(),
  column: z.string().nullable(),
  problem: z.string(),
  message: z.string(),
  action: z.string(),
});
export type Finding = z.infer<typeof Finding>;

export const Failure = z.object({
  code: z.string(),
  message: z.string(),
  mends: z.array(z.string()).default([]),
});

export const Look = z.object({
  revision: z.string().nullable(),
  version: z.enum(['current', 'older', 'newer', 'none']),
  tables: z.array(z.object({ name: z.string(), rows: z.number(), bytes: z.number() })),
  bytes: z.number(),
  wal_bytes: z.number(),
  corrupt: z.array(z.string()),
  problems: z.record(z.string(), z.number()),
  seconds: z.number(),
  outage_seconds: z.number(),
  upgrade_seconds: z.number(),
});
export type Look = z.infer<typeof Look>;

export const Snapshot = z.object({ bytes: z.number(), upgraded: z.boolean() });

export const Prepared = z.object({ server: z.string(), resumed: z.boolean() });

export const Copied = z.object({
  tables: z.array(
    z.object({
      table: z.string(),
      rows: z.number(),
      inserted: z.number(),
      updated: z.number(),
      deleted: z.number(),
    }),
  ),
  seconds: z.number(),
  findings: z.number(),
});

const Compared = z.object({
  source: z.number(),
  target: z.number(),
  mended: z.number(),
  aside: z.number(),
  equal: z.boolean(),
  differing: z.array(z.string()),
});

export const Verified = z.object({
  equal: z.boolean(),
  tables: z.array(Compared.extend({ table: z.string() })),
});
export type Verified = z.infer<typeof Verified>;

export const Written = z.object({
  finished: z.boolean(),
  written: z.boolean(),
  tables: z.array(z.object({ table: z.string(), written: z.number(), deleted: z.number() })),
});
export type Written = z.infer<typeof Written>;

export const Forgotten = z.object({ dropped: z.array(z.string()) });

export const VectorsLook = z.object({
  store: z.string(),
  source: z.string().nullable(),
  collections: z.array(
    z.object({ name: z.string(), vectors: z.number(), dimensions: z.number().nullable() }),
  ),
  vectors: z.number(),
  bytes: z.number(),
  settings: z.record(z.string(), z.string()),
  seconds: z.number(),
  outage_seconds: z.number(),
});
export type VectorsLook = z.infer<typeof VectorsLook>;

const Reindex = z.object({
  method: z.literal('POST'),
  path: z.string(),
  body: z.record(z.string(), z.string()),
});
export type Reindex = z.infer<typeof Reindex>;

export const VectorsMade = z.object({ seconds: z.number(), memory: z.number() });

export const VectorsCopied = z.object({
  collections: z.array(z.object({ collection: z.string(), reason: z.string().nullable() })),
  reindex: z.array(Reindex),
  lost: z.array(z.string()),
});

export const VectorsVerified = z.object({
  equal: z.boolean(),
  collections: z.array(
    Compared.extend({
      collection: z.string(),
      sampled: z.number(),
      same_neighbours: z.number(),
      reason: z.string().nullable(),
    }),
  ),
});
export type VectorsVerified = z.infer<typeof VectorsVerified>;
