/** Packs and unpacks a folder with one upload of so many bytes; prints by how many bytes that has let our memory grow. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack, unpack } from '../../src/setup/backup/archive.ts';

const [folder = '', size = ''] = process.argv.slice(2);

async function packAndUnpack(name: string, bytes: number): Promise<number> {
  const place = join(folder, name);
  const uploads = join(place, 'uploads');
  const unpacked = join(place, 'unpacked');
  for (const path of [uploads, unpacked]) mkdirSync(path, { recursive: true });
  writeFileSync(join(place, 'dump'), 'a dump');
  const upload = openSync(join(uploads, 'upload'), 'w');
  ftruncateSync(upload, bytes);
  closeSync(upload);
  const about = { format: 2, made: '', openWebui: '0.12.4' } as const;
  const dump = join(place, 'dump');
  await pack(join(place, 'b.tar'), { about, dump, key: undefined, secretsFile: '', uploads });
  await unpack(join(place, 'b.tar'), unpacked);
  // Kilobytes.
  return process.resourceUsage().maxRSS * 1024;
}

const before = await packAndUnpack('small', 1_000);
process.stdout.write(String((await packAndUnpack('large', Number(size))) - before));
