/** The steps of a migration: what is done, undone and completed, and what people are told. */
import { basename, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type JobContext, resumeJob, runJob } from '../../../src/setup/journal/job.ts';
import { Journal } from '../../../src/setup/journal/journal.ts';
import { points } from '../../../src/setup/journal/points.ts';
import { backJob, writtenLines } from '../../../src/setup/migrate/back.ts';
import { type MigrateData, type Migration, migrateJob } from '../../../src/setup/migrate/job.ts';
import { Look } from '../../../src/setup/migrate/messages.ts';
import type { OldServer } from '../../../src/setup/migrate/old-server.ts';
import { progressText } from '../../../src/setup/migrate/progress-text.ts';
import { askPython } from '../../../src/setup/migrate/python-half.ts';
import {
  ofCollections,
  ofTables,
  type VerifiedRow,
  verificationLines,
} from '../../../src/setup/migrate/verification.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const EQUAL: VerifiedRow = { kind: 'table', name: 'user', source: 4, target: 4, equal: true };

/** A migration of which each part only says that it was asked. `ends` throws, `rows` is what the comparison finds. */
function setUp({
  ends = '',
  rows = [EQUAL],
  isOlder = false,
  isWritten = true,
  movesFiles = false,
  hasVectors = true,
} = {}) {
  const told: string[] = [];
  const folder = temporaryFolder();
  const heard: string[] = [];
  const on = (what: string) => {
    heard.push(what);
    if (what === ends) throw new Error(`${what} fails`);
  };
  let written = 0;
  const stopped: OldServer[] = [];
  const migration: Migration = {
    services: { start: async () => on('services'), stop: async (ran) => on(`end all but ${ran}`) },
    old: {
      find: async () => [{ kind: 'pm2', apps: ['late'] }],
      stop: async (servers) => {
        stopped.push(...servers);
        on('stop old');
      },
      start: async () => on('start old'),
    },
    data: {
      snapshot: async (_, copy) => on(`snapshot ${basename(copy)}`),
      prepare: async () => on('prepare'),
      copy: async (_, source, pass) => {
        on(`copy ${pass} of ${source.replace(folder, '')}`);
        if (pass === 1 && isWritten) written++;
        return 3;
      },
      copyVectors: async (_, pass) => {
        on(`vectors ${pass}`);
        await turn();
        heard.push(`vectors ${pass} ended`);
        return { requests: [], lost: [] };
      },
      indexVectors: async () => on('index'),
      verifyVectors: async () => {
        on('verify vectors');
        return [];
      },
      verifyTables: async (_, source) => {
        on(`verify ${basename(source)}`);
        if (ends === 'somebody writes' && source === '/data/webui.db') written++;
        return source === '/data/webui.db' ? rows : [EQUAL];
      },
    },
    files: async () => {
      on('files');
      return { files: 2, bytes: 3, deleted: 0 };
    },
    relocate: async () => {
      on('relocate');
      return 1;
    },
    signature: () => `${written}`,
    settings: { point: async () => on('point'), pointBack: async () => on('point back') },
    service: { start: async () => on('start'), stop: async () => on('stop') },
    embedAgain: async () => on('embed again'),
  };
  const data: MigrateData = {
    source: '/data/webui.db',
    dataDir: '/data',
    folder: join(folder, 'migration'),
    isOlder,
    movesFiles,
    hasVectors,
    vectorSettings: {},
    old: [{ kind: 'pm2', apps: ['old'] }],
    ran: ['open-webui-valkey'],
    outageSeconds: 20,
  };
  const journal = new Journal(folder);
  const context: JobContext = { journal, interrupts: { allow: (work) => work() }, tell: () => {} };
  return {
    job: migrateJob(migration, 'the migration', (text) => told.push(text)),
    data,
    context,
    journal,
    heard,
    stopped,
    told,
  };
}

const FIRST_PASS = [
  ...[
    'copy 1 of /migration/copy.db',
    'vectors 1',
    'verify copy.db',
    'vectors 1 ended',
    'index',
    'verify vectors',
  ],
];
const WHILE_IT_RUNS = ['services', 'snapshot copy.db', 'prepare', ...FIRST_PASS];
const UNDONE = ['start old', 'end all but open-webui-valkey'];

describe('a migration', () => {
  it('copies twice, compares, and only then points at the new database', async () => {
    const { job, data, context, journal, heard, stopped } = setUp();
    const done = await runJob(job, data, context);
    // Also one that was only starting before.
    expect(stopped).toEqual([...data.old, { kind: 'pm2', apps: ['late'] }]);
    expect(heard).toEqual([
      ...WHILE_IT_RUNS,
      ...[
        'stop old',
        'copy 2 of /data/webui.db',
        'vectors 2',
        'vectors 2 ended',
        'verify webui.db',
        'verify vectors',
      ],
      ...['point', 'start', 'embed again'],
    ]);
    expect(done).toMatchObject({ findings: 3, verification: { rows: [EQUAL] } });
    expect(done.outage).toBeGreaterThanOrEqual(0);
    expect(journal.read()).toBeUndefined();
  });

  it('migrates a copy of an older file twice, and moves the files of another folder', async () => {
    const { job, data, context, heard, told } = setUp({ isOlder: true, movesFiles: true, hasVectors: false });
    await runJob(job, data, context);
    expect(heard).toEqual([
      ...[
        'services',
        'snapshot copy.db',
        'prepare',
        'copy 1 of /migration/copy.db',
        'files',
        'verify copy.db',
      ],
      ...[
        'stop old',
        'snapshot later-copy.db',
        'copy 2 of /migration/later-copy.db',
        'files',
        'verify later-copy.db',
      ],
      ...['relocate', 'point', 'start'],
    ]);
    expect(told.join('\n')).toMatch(/away for about \d+ s, \d+ s of it to migrate what the old version/);
  });

  it('migrates no second copy of an older file that nobody has written', async () => {
    const { job, data, context, heard } = setUp({ isOlder: true, isWritten: false, hasVectors: false });
    await runJob(job, data, context);
    expect(heard).toContain('copy 2 of /migration/copy.db');
    expect(heard).not.toContain('snapshot later-copy.db');
  });

  it.each([
    ['prepare', []],
    ['stop old', ['start old']],
    ['verify vectors', []],
    ['verify webui.db', ['verify vectors', 'start old']],
    ['point', ['point back', 'start old']],
    ['start', ['stop', 'point back', 'start old']],
  ])('that fails in "%s" leaves the old server with its data', async (ends, undone) => {
    const { job, data, context, journal, heard } = setUp({ ends });
    await expect(runJob(job, data, context)).rejects.toThrow(`${ends} fails`);
    expect(heard.slice(heard.indexOf(ends) + 1)).toEqual([...undone, 'end all but open-webui-valkey']);
    expect(journal.read()).toBeUndefined();
  });

  it('undoes nothing before what was done beside has ended', async () => {
    const ends = 'copy 2 of /data/webui.db';
    const { job, data, context, heard } = setUp({ ends });
    await expect(runJob(job, data, context)).rejects.toThrow(`${ends} fails`);
    expect(heard.slice(heard.indexOf(ends) + 1)).toEqual(['vectors 2', 'vectors 2 ended', ...UNDONE]);
  });

  it('does not end well where the copy differs, or somebody has written meanwhile', async () => {
    const differs = setUp({ rows: [{ ...EQUAL, target: 3, equal: false }] });
    await expect(runJob(differs.job, differs.data, differs.context)).rejects.toThrow(
      'user: 4 in the source, 3 in the target',
    );
    expect(differs.heard.slice(-2)).toEqual(UNDONE);
    const writes = setUp({ ends: 'somebody writes' });
    await expect(runJob(writes.job, writes.data, writes.context)).rejects.toThrow(
      'has written to /data/webui.db',
    );
    expect(writes.heard.slice(-2)).toEqual(UNDONE);
    // Open WebUI embeds that again.
    const lacks = setUp({
      rows: [{ ...EQUAL, kind: 'collection', target: 0, equal: false, isCarried: false }],
    });
    await runJob(lacks.job, lacks.data, lacks.context);
  });

  it.each([
    ['first pass', 'undone', UNDONE.slice(1)],
    ['second pass', 'undone', UNDONE],
    ['switch', 'completed', ['point', 'start', 'embed again']],
    ['start', 'completed', ['start', 'embed again']],
  ])('that is cut short in "%s" is %s', async (step, outcome, expected) => {
    const { job, data, context, journal, heard } = setUp();
    points.reach = (name) => {
      if (name === `${step} doing`) throw new Error('killed');
    };
    const run = new Promise((resolve) => {
      const held = { ...context, journal: journalThatHolds(journal, step) };
      runJob(job, data, held).catch(resolve);
    });
    await run;
    points.reach = () => {};
    heard.length = 0;
    const entry = journal.read();
    if (!entry) throw new Error('nothing is half done');
    expect(await resumeJob<MigrateData>(job, entry, context)).toBe(outcome);
    expect(heard).toEqual(expected);
  });
});

/** As after a kill: from that step on, nothing is written any more. */
function journalThatHolds(journal: Journal, step: string): Journal {
  let isDead = false;
  return Object.assign(Object.create(journal) as Journal, {
    write: (entry: Parameters<Journal['write']>[0]) => {
      if (!isDead) journal.write(entry);
      if (entry.step === step) isDead = true;
    },
    remove: () => {},
  });
}

describe('the way back', () => {
  const record = {
    at: '2026-01-01T00:00:00Z',
    source: '/data/webui.db',
    dataDir: '/data',
    isOlder: false,
    names: [],
    former: {},
    old: [],
    relocated: 0,
  };

  function back(ends: string) {
    const heard: string[] = [];
    let asked = 0;
    const on = (what: string) => {
      heard.push(what);
      if (what === ends) throw new Error(`${what} fails`);
    };
    const job = backJob(
      {
        requireUnwritten: async () => on(`ask ${++asked}`),
        service: { stop: async () => on('stop'), start: async () => on('start') },
        point: async () => on('point'),
        startOld: async () => on('start old'),
      },
      'the way back',
    );
    const journal = new Journal(temporaryFolder());
    const context: JobContext = { journal, interrupts: { allow: (work) => work() }, tell: () => {} };
    return { heard, journal, run: () => runJob(job, { record }, context) };
  }

  it('asks before it stops anybody, and again', async () => {
    const { heard, run } = back('');
    await run();
    expect(heard).toEqual(['ask 1', 'stop', 'ask 2', 'point', 'start old']);
  });

  it('stays where somebody writes until the last moment', async () => {
    const { heard, journal, run } = back('ask 2');
    await expect(run()).rejects.toThrow('ask 2 fails');
    expect(heard).toEqual(['ask 1', 'stop', 'ask 2', 'start']);
    expect(journal.read()).toBeUndefined();
  });

  it('counts what people have written, and not our new places of files', () => {
    const tables = [
      { table: 'file', written: 5, deleted: 0 },
      { table: 'chat', written: 0, deleted: 2 },
    ];
    expect(writtenLines({ tables }, 5)).toEqual(['  chat: 2 deleted']);
    expect(writtenLines({ tables }, 4)).toEqual(['  file: 1 new or changed', '  chat: 2 deleted']);
  });
});

describe('what people see', () => {
  it.each([
    [
      { step: 'rows', done: 500, total: 2_000, unit: 'rows', table: 'chat' },
      10,
      'rows, chat: 500 of 2,000 rows, 30 s left',
    ],
    [{ step: 'copy', done: 1 << 20, total: 2 << 20, unit: 'bytes' }, 0.1, 'copy: 1 MiB of 2 MiB'],
    [{ step: 'schema', done: 0, total: 0, unit: 'steps' }, 5, 'schema:'],
  ])('%j after %d s: %s', (progress, seconds, text) => expect(progressText(progress, seconds)).toBe(text));

  it('is a table of everything that was compared', () => {
    const rows = [
      ...ofTables({
        equal: true,
        tables: [
          { table: 'chat', source: 1_000, target: 999, mended: 2, aside: 1, equal: true, differing: [] },
          { table: 'file', source: 2, target: 1, mended: 0, aside: 0, equal: false, differing: ['f1'] },
        ],
      }),
      ...ofCollections({
        equal: true,
        collections: [
          {
            ...{
              collection: 'file-1',
              source: 3,
              target: 3,
              mended: 0,
              aside: 0,
              equal: true,
              differing: [],
            },
            ...{ sampled: 2, same_neighbours: 2, reason: null },
          },
          {
            ...{ collection: 'web', source: 3, target: 0, mended: 0, aside: 0, equal: false, differing: [] },
            ...{ sampled: 0, same_neighbours: 0, reason: 'too many dimensions' },
          },
        ],
      }),
    ];
    expect(verificationLines({ rows })).toEqual([
      '                   source  target',
      'chat                 1000     999  equal; 2 mended, 1 kept in the report',
      'file                    2       1  DIFFERENT; differing: f1',
      'collection file-1       3       3  equal; 2 of 2 searches find the same',
      'collection web          3       0  not carried: too many dimensions',
    ]);
  });
});

describe('the Python half', () => {
  const half = { python: 'python3', env: { PATH: process.env.PATH } };

  it('says what is wrong with a command', async () => {
    await expect(askPython('no-such-command', {}, Look, half)).rejects.toThrow(
      /the migration’s no-such-command failed:\nusage: /,
    );
  });
});
