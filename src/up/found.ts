import { join } from 'node:path';
import { TuneError } from '../errors.ts';
import { viewpointOf } from '../installation.ts';
import { ask } from '../io/ask.ts';
import { textOf } from '../io/read.ts';
import type { Terminal } from '../io/terminal.ts';
import { askDatabase } from '../services/index.ts';
import { searchPostgres, searchRedis } from '../services/search.ts';
import { keepSecrets, SECRETS_NAME } from '../settings/secrets-file.ts';
import type { Setup } from './setup.ts';
import { hasSqliteData, wantedServices } from './wanted.ts';

/* Services that are there already, and that nobody has set: used only once somebody has said so. */

/** Settings that somebody has agreed to. */
export type Chosen = ReadonlyMap<string, string>;

/** Asks about each service that is found where none is set. Throws TuneError where nobody answers (Ctrl-C, Ctrl-D). */
export async function offerFound(setup: Setup, terminal: Terminal): Promise<Chosen> {
  const chosen = new Map<string, string>();
  const { database, broker } = await notSet(setup);
  const postgres = database ? await searchPostgres() : undefined;
  if (postgres !== undefined) {
    const url = await askForDatabase(postgres, terminal);
    if (url !== undefined) chosen.set('DATABASE_URL', url);
  }
  const redis = broker ? await searchRedis() : undefined;
  if (redis !== undefined) {
    const question = `A Redis answers at ${redis}. Use it (only if no other Open WebUI does)? [y/N]`;
    if (await agrees(question)) chosen.set('REDIS_URL', redis);
  }
  return chosen;
}

/** What --use-found agrees to: a Redis needs nothing more than its address. A PostgreSQL is only told of. */
export async function takeFound(setup: Setup, terminal: Terminal): Promise<Chosen> {
  const { database, broker } = await notSet(setup);
  const [postgres, redis] = await Promise.all([
    database ? searchPostgres() : undefined,
    broker ? searchRedis() : undefined,
  ]);
  if (postgres !== undefined) {
    terminal.err(`a PostgreSQL answers at ${postgres}; to use it, set DATABASE_URL=postgresql://…\n`);
  }
  return new Map(redis === undefined ? [] : [['REDIS_URL', redis]]);
}

/** From then on they are the user's settings. Open WebUI has to be there: its plan knows where secrets are kept. */
export async function keepChosen(setup: Setup, chosen: Chosen): Promise<void> {
  if (chosen.size === 0) return;
  const { plan } = await setup.tuned();
  await keepSecrets(plan.places.secretsFile, { settings: chosen, once: new Map() });
  setup.changed();
}

/** A server needs a name, a password and a database that are Open WebUI's: its address alone says nothing. */
async function askForDatabase(where: string, terminal: Terminal): Promise<string | undefined> {
  for (;;) {
    const url = await ask(
      `A PostgreSQL answers at ${where}. To use it: postgresql://user:password@${where}/database (not shown; empty: no)`,
      { hidden: true },
    );
    if (url === '') return undefined;
    const { problem, doubt } = await judge(url);
    if (problem !== undefined) terminal.err(`${problem}\n`);
    else if (doubt === undefined || (await agrees(`${doubt}. Use it all the same? [y/N]`))) return url;
  }
}

const agrees = async (question: string) => /^y(?:es)?$/i.test(await ask(question));

/** Why Open WebUI could not use this database, or what it would lack. */
async function judge(url: string): Promise<{ problem?: string; doubt?: string }> {
  try {
    const facts = await askDatabase(
      new Map([['DATABASE_URL', { value: url, source: 'secrets file', secret: true }]]),
    );
    if (facts.kind !== 'postgresql') return { problem: 'that is no URL of a PostgreSQL' };
    if (!facts.answer.up) return { problem: `it does not let us in: ${facts.answer.reason}` };
    if (facts.vector === 'missing') {
      return { doubt: 'It has no pgvector: without a Chroma server one worker is all that there can be' };
    }
    if (facts.vector === 'superuser-only') {
      return { problem: 'its superuser has to say, in that database: CREATE EXTENSION vector;' };
    }
    return {};
  } catch (error) {
    if (error instanceof TuneError) return { problem: error.message };
    throw error;
  }
}

/** Which of the two nobody has set, and no data would be lost from sight by setting. */
async function notSet(setup: Setup): Promise<{ database: boolean; broker: boolean }> {
  if (setup.hasOpenWebui) {
    const { plan } = await setup.tuned();
    const wanted = wantedServices(plan);
    const { database, redis } = plan.services;
    return {
      database: wanted.database && database.kind === 'sqlite',
      broker: wanted.broker && redis.kind === 'none',
    };
  }
  // Before Open WebUI is there, nobody can read the files as it will: a name in one is reason enough not to ask.
  const { env, envFilePath, defaultDir } = viewpointOf({
    ...setup.remembered.options,
    ...setup.surroundings,
    out: setup.ecosystemFile,
  });
  const texts = `${envFilePath ? textOf(envFilePath) : ''}\n${textOf(join(defaultDir, SECRETS_NAME))}`;
  const isSet = (...names: string[]) =>
    names.some((name) => env[name] || new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`, 'm').test(texts));
  if (hasSqliteData(defaultDir)) return { database: false, broker: false };
  return { database: !isSet('DATABASE_URL', 'DATABASE_TYPE'), broker: !isSet('REDIS_URL') };
}
