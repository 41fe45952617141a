/** The file of a backup: whole or refused, private, and of data that changes while it is packed. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { create } from 'tar';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { type About, pack, unpack } from '../../../src/setup/backup/archive.ts';
import { restoreSecrets } from '../../../src/setup/backup/secrets.ts';
import { TarFile } from '../../../src/setup/backup/tar-file.ts';
import { ROOT } from '../../kit/environment.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const ABOUT: About = { format: 2, made: '2026-01-01T00:00:00.000Z', openWebui: '0.12.4', tables: [] };

/** Milliseconds, as an upload that was just written is tried again. */
const PATIENCE = [30, 60, 90];

function place() {
  const folder = temporaryFolder({
    dump: 'a dump',
    'uploads/a_notes.txt': 'words',
    'secrets.env': 'A="1"\n',
  });
  const [file, uploads, unpacked] = [
    join(folder, 'b.tar'),
    join(folder, 'uploads'),
    join(folder, 'unpacked'),
  ];
  mkdirSync(unpacked);
  const secretsFile = join(folder, 'secrets.env');
  const contents = { about: ABOUT, dump: join(folder, 'dump'), key: 'the key', secretsFile, uploads };
  return { folder, file, uploads, unpacked, contents };
}

describe('a backup', () => {
  it('holds all that it was made of, under any name, and is for its owner alone', async () => {
    const { folder, file, uploads, unpacked, contents } = place();
    const long = `${'ü'.repeat(100)}_${'x'.repeat(40)}.txt`;
    writeFileSync(join(uploads, long), 'long');
    writeFileSync(join(uploads, 'empty'), '');
    mkdirSync(join(uploads, 'below'));
    writeFileSync(join(uploads, 'below', 'file'), 'x'.repeat(512));
    writeFileSync(join(folder, 'elsewhere'), 'linked');
    symlinkSync(join(folder, 'elsewhere'), join(uploads, 'link'));
    expect(await pack(file, contents, PATIENCE)).toEqual({ count: 5, changed: [] });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await unpack(file, unpacked)).toEqual(ABOUT);
    const read = (...path: string[]) => readFileSync(join(unpacked, ...path), 'utf8');
    expect(readdirSync(join(unpacked, 'uploads')).sort()).toEqual(
      ['a_notes.txt', 'below', 'empty', 'link', long].sort(),
    );
    expect([read('uploads', long), read('uploads', 'link'), read('uploads', 'below', 'file')]).toEqual([
      'long',
      'linked',
      'x'.repeat(512),
    ]);
    expect([read('database.dump'), read('secret-key'), read('secrets.env')]).toEqual([
      'a dump',
      'the key',
      'A="1"\n',
    ]);
  });

  it('is refused with a byte that is another one, and without its end', async () => {
    const { folder, file, unpacked, contents } = place();
    await pack(file, contents, PATIENCE);
    const whole = readFileSync(file);
    const at = whole.indexOf('words');
    const damaged = Buffer.from(whole);
    damaged.write('W', at);
    for (const bytes of [damaged, whole.subarray(0, at + 2), whole.subarray(0, whole.length - 1024)]) {
      const other = join(folder, 'other.tar');
      writeFileSync(other, bytes);
      await expect(unpack(other, unpacked)).rejects.toThrow('or only a part of one');
    }
  });

  it('of an earlier version is still read', async () => {
    const { folder, file, unpacked } = place();
    writeFileSync(join(folder, 'backup.json'), JSON.stringify({ ...ABOUT, format: 1, uploads: 1 }));
    await create({ file, cwd: folder, portable: true }, ['backup.json', 'uploads']);
    expect((await unpack(file, unpacked)).format).toBe(1);
  });

  it('is never written into a file that somebody else has put there', async () => {
    const { folder, file, contents } = place();
    writeFileSync(file, 'theirs', { mode: 0o666 });
    await expect(pack(file, contents)).rejects.toThrow('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe('theirs');
    rmSync(file);
    symlinkSync(join(folder, 'target'), file);
    await expect(pack(file, contents)).rejects.toThrow('EEXIST');
    expect(readdirSync(folder)).not.toContain('target');
  });
});

describe('uploads that change while they are packed', () => {
  it('grow, shrink and vanish without harm', async () => {
    const { file, uploads, unpacked, contents } = place();
    for (let index = 0; index < 100; index++) writeFileSync(join(uploads, `b${index}`), 'y'.repeat(5_000));
    const names = readdirSync(uploads).filter((name) => name.startsWith('b'));
    let isDone = false;
    const changing = (async () => {
      for (let round = 0; !isDone; round++) {
        const name = names[round % names.length] ?? '';
        if (round % 3 === 0) appendFileSync(join(uploads, 'growing'), 'z'.repeat(10_000));
        else if (round % 3 === 1) rmSync(join(uploads, name), { force: true });
        else if (statSync(join(uploads, name), { throwIfNoEntry: false }))
          truncateSync(join(uploads, name), 10);
        await sleep(1);
      }
    })();
    await pack(file, contents, PATIENCE);
    isDone = true;
    await changing;
    await unpack(file, unpacked);
    expect(readFileSync(join(unpacked, 'uploads', 'a_notes.txt'), 'utf8')).toBe('words');
  });

  it('are tried again until they are of one piece, and named where they never are', async () => {
    const { file, uploads, unpacked, contents } = place();
    const [late, restless] = [join(uploads, 'late'), join(uploads, 'restless')];
    // As many bytes each time: their number tells nothing.
    const write = (path: string, round: number) => writeFileSync(path, String(round % 10).repeat(4 * MIB));
    let isDone = false;
    let rounds = 0;
    const changing = (async () => {
      for (; !isDone; rounds++) {
        if (rounds < 5) write(late, rounds);
        write(restless, rounds);
        await sleep(1);
      }
    })();
    const packed = await pack(file, contents, PATIENCE);
    isDone = true;
    await changing;
    expect(packed).toEqual({ count: 2, changed: ['restless'] });
    await unpack(file, unpacked);
    const digits = new Set(readFileSync(join(unpacked, 'uploads', 'late')));
    expect(digits.size).toBe(1);
    expect(statSync(join(unpacked, 'uploads', 'late')).size).toBe(4 * MIB);
  });

  it('are left out, or as long as they were when they were read', async () => {
    const { file, uploads, unpacked } = place();
    const tar = await TarFile.create(file);
    await tar.addText('backup.json', JSON.stringify({ ...ABOUT, format: 1 }));
    expect(await tar.addFile('gone', join(uploads, 'gone'))).toBe('gone');
    const path = join(uploads, 'large');
    writeFileSync(path, Buffer.alloc(8 * MIB, 'a'));
    const adding = tar.addFile('large', path);
    // Its first part is being read.
    await turn();
    truncateSync(path, 1000);
    const added = await adding;
    await tar.addText('after', 'after');
    await tar.finish();
    await tar.close();
    await unpack(file, unpacked);
    // Nothing of an attempt that failed.
    const { size } = statSync(join(unpacked, 'large'), { throwIfNoEntry: false }) ?? {};
    expect(size).toBe(added === 'whole' ? 8 * MIB : undefined);
    expect(readFileSync(join(unpacked, 'after'), 'utf8')).toBe('after');
  });

  it('take the same memory, however large they are', { timeout: 180_000 }, () => {
    const { folder } = place();
    const grown = execFileSync(
      process.execPath,
      ['--import', 'tsx', join(ROOT, 'test', 'kit', 'pack-memory.ts'), folder, String(512 * MIB)],
      { encoding: 'utf8' },
    );
    expect(Number(grown)).toBeLessThan(64 * MIB);
  });
});

describe('the secrets of a backup', () => {
  it('come back where there are none of their name, and never those of the services', async () => {
    const { folder } = place();
    const unpacked = temporaryFolder({
      'secret-key': 'restored',
      'secrets.env':
        '# words\nWEBUI_SECRET_KEY="old"\nOPENAI_API_KEY="a\\"b\\\\c"\nOAUTH="theirs"\nDATABASE_URL="x"\nREDIS_URL="x"\n',
    });
    const secretsFile = join(folder, '.webui-tune.env');
    writeFileSync(secretsFile, 'DATABASE_URL="mine"\nWEBUI_SECRET_KEY="mine"\nOAUTH="mine"\n', {
      mode: 0o600,
    });
    expect(await restoreSecrets(unpacked, secretsFile)).toBe('restored');
    expect(readFileSync(secretsFile, 'utf8')).toBe(
      'DATABASE_URL="mine"\nOAUTH="mine"\nWEBUI_SECRET_KEY="restored"\nOPENAI_API_KEY="a\\"b\\\\c"\n',
    );
  });
});
