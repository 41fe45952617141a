import { rmSync, writeFileSync } from 'node:fs';
import type { Pacer } from '../../base/machine/pacer.ts';
import type { Psql } from './psql.ts';
import { Rewrite } from './rewrite.ts';
import { type Database, paced, runTool, startTool } from './tools.ts';

interface DumpedObject {
  type: string;
  schema: string;
  name: string;
}

/** Kinds of entries that a dump of tables consists of; an older backup may hold extensions, schemas and functions too. */
const OF_TABLES =
  /^\d+; \d+ \d+ (?:TABLE|SEQUENCE|DEFAULT|CONSTRAINT|FK CONSTRAINT|CHECK CONSTRAINT|INDEX|STATISTICS|TRIGGER|COMMENT (?!- ))/;
const OBJECT = /^\d+; \d+ \d+ (TABLE|SEQUENCE|INDEX) (?!DATA |SET |OWNED BY |ATTACH )(\S+) (\S+) /;

/** The entries of a dump that make up tables. */
export async function listOf(database: Database, dump: string): Promise<string[]> {
  const list = await runTool(database, 'pg_restore', ['--list', dump]);
  return list.split('\n').filter((line) => OF_TABLES.test(line));
}

export function objectsOf(list: readonly string[]): DumpedObject[] {
  return list.flatMap((line) => {
    const [, type = '', schema = '', name = ''] = OBJECT.exec(line) ?? [];
    return type === '' ? [] : [{ type, schema, name }];
  });
}

interface Replay {
  dump: string;
  /** The entries of it that are wanted. */
  list: readonly string[];
  /** Where an object of that name goes. */
  schemaFor: (name: string) => string;
  /** Absent: it is waited for, and takes what it can get. */
  pacer?: Pacer;
}

/** Runs a dump's SQL. */
export async function replay(
  psql: Psql,
  database: Database,
  { dump, list, schemaFor, pacer }: Replay,
): Promise<void> {
  const known = new Set(objectsOf(list).map(({ schema, name }) => `${schema}.${name}`));
  const settings = new Set((await psql.ask('SELECT name FROM pg_settings')).map(([name = '']) => name));
  const rewrite = new Rewrite({
    settings,
    schemaFor: (schema, name) => (known.has(`${schema}.${name}`) ? schemaFor(name) : undefined),
  });
  const file = `${dump}.list`;
  try {
    writeFileSync(file, list.join('\n'), { mode: 0o600 });
    const args = ['--no-owner', '--no-privileges', `--use-list=${file}`, '--file=-', dump];
    const { output: sql, ended } = startTool(database, 'pg_restore', args);
    await psql.feed(paced(sql, pacer), rewrite);
    await ended;
    // Whether all of it was taken is known once psql answers again.
    await psql.ask('SELECT 1');
  } finally {
    rmSync(file, { force: true });
  }
}
