import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import { addressOf } from '../../base/io/address.ts';
import { type OneConnection, request } from '../../bench/client/http.ts';
import { reasonOf } from '../../facts/services/timeout.ts';
import type { Settings } from '../../facts/types.ts';
import { TRIALS } from '../../runtime/contract.ts';
import type { ClusterFacts } from './cluster.ts';
import { connectToEach } from './connections.ts';
import { signed } from './signed.ts';

const Tried = {
  /** Of who has answered. */
  pid: z.number().optional(),
  engine: z.string().default(''),
  ms: z.number().default(0),
  /** Why it did not work. */
  error: z.string().optional(),
  /** Nothing had come of it when the time was over. */
  late: z.boolean().default(false),
};

const Embedded = z.object({
  ...Tried,
  model: z.string().default(''),
  /** Documents are handed to the language model whole, and nothing is embedded. */
  bypassed: z.boolean().default(false),
  dimensions: z.number().default(0),
});
const Read = z.object({ ...Tried, untried: z.boolean().default(false) });

export type Embedded = z.infer<typeof Embedded>;
export type Read = z.infer<typeof Read>;

export interface TrialFacts {
  /** A worker's own answers; undefined: it does not know the question. */
  workers: readonly { pid: number; embedded: Embedded | undefined; read: Read | undefined }[];
  /** Workers that took none of so many connections, and so were not asked. */
  unreached: readonly number[];
  opened: number;
}

/** Milliseconds: the worker's own limit, and a bit. */
const TIMEOUT = TRIALS.seconds * 1000 + 5_000;

/** Asks each worker that listens to embed a sentence and to read a page. Throws TuneError where none can be asked. */
export async function tryWorkers(
  settings: Settings,
  { workers, address }: ClusterFacts,
): Promise<TrialFacts> {
  const pids = workers.filter(({ listening }) => listening.length > 0).map(({ pid }) => pid);
  const { held, opened, close } = await connectToEach(pids, address).catch((error: unknown) => {
    throw new TuneError(`no worker could be asked about documents: ${reasonOf(error)}`, EXIT.service);
  });
  const url = addressOf(address);
  const key = settings.get('WEBUI_SECRET_KEY')?.value;
  try {
    const asked = await Promise.all(
      [...held].map(async ([pid, connection]) => ({
        pid,
        embedded: await ask(Embedded, { url, key, connection, question: 'embed' }),
        read: await ask(Read, { url, key, connection, question: 'read' }),
      })),
    );
    // One that was replaced meanwhile has closed its connection, and another one has answered.
    const isOwn = ({ pid, embedded }: (typeof asked)[number]) => (embedded?.pid ?? pid) === pid;
    const answered = asked.filter(isOwn);
    const unreached = pids.filter((pid) => !answered.some((worker) => worker.pid === pid));
    return { workers: answered, unreached, opened };
  } finally {
    close();
  }
}

interface Question {
  url: string;
  key: string | undefined;
  connection: OneConnection;
  question: 'embed' | 'read';
}

/** Undefined: the answer is the app's, which knows no such question. */
async function ask<T extends typeof Embedded | typeof Read>(
  schema: T,
  { url, key, connection, question }: Question,
): Promise<z.infer<T> | undefined> {
  try {
    const headers = signed(question, key);
    const options = { headers, agent: connection, timeoutMs: TIMEOUT };
    const { status, headers: got, body } = await request(`${url}${TRIALS[question]}`, options);
    if (status !== 200 || !got['content-type']?.startsWith('application/json')) return undefined;
    return schema.safeParse(JSON.parse(body)).data as z.infer<T> | undefined;
  } catch (error) {
    return schema.parse({ error: reasonOf(error) }) as z.infer<T>;
  }
}
